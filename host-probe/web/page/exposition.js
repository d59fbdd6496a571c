// The text exposition format of Prometheus, as host-probe writes it.

const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?/y;
const ESCAPED = { n: "\n", "\\": "\\", '"': '"' };

// The labels of `text`, which begins behind the brace, and where they end.
function readLabels(text, start) {
  const labels = new Map();
  LABEL.lastIndex = start;
  let end = start;
  for (let found = LABEL.exec(text); found; found = LABEL.exec(text)) {
    labels.set(found[1], found[2].replace(/\\(.)/g, (whole, character) => ESCAPED[character] ?? whole));
    end = LABEL.lastIndex;
  }
  return [labels, end];
}

// Every sample as {name, labels, value}, `labels` a Map; a line that is none is an error.
export function parseExposition(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const brace = line.search(/[{ ]/);
    const name = line.slice(0, brace);
    let labels = new Map();
    let rest = brace;
    if (line[brace] === "{") {
      [labels, rest] = readLabels(line, brace + 1);
      if (line[rest] !== "}") throw new Error(`not a sample: ${line}`);
      ++rest;
    }
    const value = Number(line.slice(rest).trim().split(" ")[0]);
    if (brace < 1 || Number.isNaN(value)) throw new Error(`not a sample: ${line}`);
    samples.push({ name, labels, value });
  }
  return samples;
}
