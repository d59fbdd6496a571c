// One sandbox as a card.

import { element, graph, legend, stackedBar } from "./drawing.js";
import { MINUTES } from "./history.js";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(value) {
  if (value === undefined) return "–";
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    ++unit;
  }
  return `${value.toFixed(value < 10 && unit > 0 ? 1 : 0)} ${UNITS[unit]}`;
}

export function cpus(value) {
  return value === undefined ? "–" : `${(value * 100).toFixed(1)} %`;
}

// The stacked bar of one account with its legend, and the total's graph. `whole`: the same for all cards.
function account(title, parts, whole, format, points) {
  const there = parts.filter(([, value]) => value > 0);
  return element("section", { class: "figure" },
    element("h3", {}, title),
    graph(points, `${title}, up to ${MINUTES} minutes back`),
    stackedBar(there, whole, title),
    legend(there, format));
}

function throttling(container) {
  if (!container.periods) return "–";
  return `${Math.round((100 * container.throttled) / container.periods)} %`;
}

function containerTable(containers) {
  const head = ["container", "CPU", "working set", "limit", "throttled", "OOM"];
  const row = (container) => element("tr", {},
    element("th", { scope: "row" }, container.name),
    element("td", {}, cpus(container.cpu)),
    element("td", {}, bytes(container.workingSet)),
    element("td", {}, container.limit ? bytes(container.limit) : "none"),
    element("td", {}, throttling(container)),
    element("td", container.ooms ? { class: "warn" } : {}, String(container.ooms ?? "–")));
  return element("table", {},
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...containers.map(row)));
}

export function title(sandbox) {
  return sandbox.pod ? `${sandbox.namespace}/${sandbox.pod}` : sandbox.id.slice(0, 12);
}

// `most`: the highest totals of all sandboxes, {cpu, memory}.
export function card(sandbox, most) {
  const about = [sandbox.pod && sandbox.id.slice(0, 12), sandbox.handler].filter(Boolean).join(", ");
  const made = element("article", {}, element("h2", {}, title(sandbox)), element("p", { class: "about" }, about));
  if (!sandbox.guestUp) made.append(element("p", { class: "about warn" }, "No guest-probe answers: no figures of containers."));
  if (sandbox.suspect) made.append(element("p", { class: "about warn" }, "This guest sent what no guest-probe sends."));
  if (sandbox.cpu.size > 0) {
    const overhead = sandbox.overheadCpu === undefined ? "" : `, ${cpus(sandbox.overheadCpu)} beyond its containers`;
    made.append(account(`CPU ${cpus(sandbox.cpuTotal)}${overhead}`, [...sandbox.cpu], most.cpu, cpus,
      sandbox.graph.map((point) => [point.seconds, point.cpu])));
  }
  if (sandbox.memory !== undefined) {
    const overhead = sandbox.overheadMemory === undefined ? "" : `, ${bytes(sandbox.overheadMemory)} beyond its containers`;
    made.append(account(`Memory ${bytes(sandbox.memory)}${overhead}`, [...sandbox.memoryParts], most.memory, bytes,
      sandbox.graph.map((point) => [point.seconds, point.memory])));
  }
  if (sandbox.containers.size > 0) made.append(containerTable([...sandbox.containers.values()]));
  return made;
}
