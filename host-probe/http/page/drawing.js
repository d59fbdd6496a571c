// Elements with their text, bars and graphs. Whatever comes from outside becomes text or a number, never markup.

const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children); // strings become text
  return made;
}

function drawn(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const COLOURS = {
  workload: "#2f7ed8",
  guest_ram: "#2f7ed8",
  guest_system: "#35a29f",
  guest_silent: "#8f9aa8",
  vcpu_exits: "#8657c9",
  vmm: "#d9822b",
  virtiofsd: "#c23b5a",
  shim: "#7a8b2a",
  vhost: "#a8688c",
  page_tables: "#8657c9",
};
const OTHER = "#8f9aa8";

function colour(part) {
  return Object.hasOwn(COLOURS, part) ? COLOURS[part] : OTHER;
}

// `parts`: [[name, value]]; `whole`: what the full width stands for.
export function stackedBar(parts, whole, text) {
  const bar = drawn("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img" });
  bar.setAttribute("aria-label", text);
  let x = 0;
  for (const [name, value] of parts) {
    const width = whole > 0 ? (100 * value) / whole : 0;
    bar.append(drawn("rect", { x, y: 0, width, height: 10, fill: colour(name) }));
    x += width;
  }
  return bar;
}

export function legend(parts, format) {
  const entry = ([name, value]) =>
    element("li", {}, drawn("svg", { viewBox: "0 0 10 10" }, drawn("rect", { width: 10, height: 10, fill: colour(name) })),
      `${name} ${format(value)}`);
  return element("ul", { class: "legend" }, ...parts.map(entry));
}

// `points`: [[seconds, value]], a value may be unknown. As wide as they reach back, but a minute at least.
export function graph(points, text) {
  const made = drawn("svg", { class: "graph", viewBox: "0 0 100 30", preserveAspectRatio: "none", role: "img" });
  made.setAttribute("aria-label", text);
  const known = points.filter(([, value]) => value !== undefined);
  if (known.length === 0) return made;
  const end = known[known.length - 1][0];
  const span = Math.max(60, end - known[0][0]);
  const highest = Math.max(...known.map(([, value]) => value), Number.MIN_VALUE);
  const at = ([seconds, value]) =>
    `${(100 - (100 * (end - seconds)) / span).toFixed(2)},${(29 - (28 * value) / highest).toFixed(2)}`;
  made.append(drawn("polyline", {
    points: known.map(at).join(" "),
    fill: "none",
    stroke: COLOURS.workload,
    "stroke-width": 1.5,
    "vector-effect": "non-scaling-stroke",
  }));
  return made;
}
