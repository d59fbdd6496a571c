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

function throttling(perSecond) {
  if (!perSecond.cpu_cfs_periods_total) return "–";
  return `${Math.round((100 * perSecond.cpu_cfs_throttled_periods_total) / perSecond.cpu_cfs_periods_total)} %`;
}

function containerTable(containers) {
  const head = ["container", "CPU", "working set", "limit", "throttled", "OOM"];
  const row = (container) => element("tr", {},
    element("th", { scope: "row" }, container.name ?? (container.pause ? "(pause)" : container.id.slice(0, 12))),
    element("td", {}, cpus(container.perSecond.cpu_usage_seconds_total)),
    element("td", {}, bytes(container.memory_working_set_bytes)),
    element("td", {}, container.memory_limit_bytes === 0 ? "none" : bytes(container.memory_limit_bytes)),
    element("td", {}, throttling(container.perSecond)),
    element("td", container.oom_events_total ? { class: "warn" } : {}, String(container.oom_events_total ?? "–")));
  return element("table", {},
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...containers.map(row)));
}

export function title(sandbox) {
  return sandbox.pod ? `${sandbox.namespace}/${sandbox.pod}` : sandbox.id.slice(0, 12);
}

// `most`: the highest totals of all sandboxes, {cpu, memory}.
export function card(sandbox, most) {
  const about = [sandbox.pod && sandbox.id.slice(0, 12), sandbox.runtime_handler].filter(Boolean).join(", ");
  const made = element("article", {}, element("h2", {}, title(sandbox)), element("p", { class: "about" }, about));
  const warn = (text) => made.append(element("p", { class: "about warn" }, text));
  if (!sandbox.guest_probe_up) {
    warn(
      sandbox.containers.length > 0
        ? "No guest-probe answers: the values of containers are the container runtime's, up to a minute old."
        : "No guest-probe answers, so there are no values of containers.",
    );
  }
  if (sandbox.guest_protocol_violation) warn("This guest sent what no guest-probe sends.");
  const beyond = (value, format) => (value === undefined ? "" : `, ${format(value)} beyond its containers`);
  const rates = sandbox.perSecond;
  if (sandbox.cpu_seconds_total) {
    made.append(account(`CPU ${cpus(rates.host_cpu_seconds_total)}${beyond(rates.overhead_cpu_seconds_total, cpus)}`,
      Object.entries(rates.cpu_seconds_total ?? {}), most.cpu, cpus,
      sandbox.graph.map((point) => [point.seconds, point.cpu])));
  }
  if (sandbox.memory_bytes) {
    made.append(account(`Memory ${bytes(sandbox.host_memory_bytes)}${beyond(sandbox.overhead_memory_bytes, bytes)}`,
      Object.entries(sandbox.memory_bytes), most.memory, bytes,
      sandbox.graph.map((point) => [point.seconds, point.memory])));
  }
  if (sandbox.containers.length > 0) made.append(containerTable(sandbox.containers));
  return made;
}
