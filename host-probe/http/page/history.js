// What the page keeps: the last document, and minutes of totals. host-probe keeps neither.

import { withRates } from "./rates.js";

export const MINUTES = 10;

export class History {
  #latest;
  #graphs = new Map(); // by sandbox: [{seconds, cpu, memory}]

  // The sandboxes of a document of /api/sandboxes, with rates since the one before and a `graph` each.
  take(document) {
    if (document.version !== 1) throw new Error(`version ${document.version} of the API is not known here`);
    const sandboxes = withRates(document, this.#latest);
    const seconds = document.monotonic_seconds;
    const graphs = new Map();
    for (const sandbox of sandboxes) {
      const points = (this.#graphs.get(sandbox.id) ?? [])
        .filter((point) => point.seconds > seconds - MINUTES * 60 && point.seconds < seconds);
      points.push({ seconds, cpu: sandbox.perSecond.host_cpu_seconds_total, memory: sandbox.host_memory_bytes });
      graphs.set(sandbox.id, points);
      sandbox.graph = points;
    }
    this.#graphs = graphs;
    this.#latest = document;
    return sandboxes;
  }
}
