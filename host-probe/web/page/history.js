// What the page knows: the sandboxes of the last scrape, and minutes of totals, kept here and nowhere else.

export const MINUTES = 10;

const CPU = "katameter_sandbox_cpu_seconds_total";
const OF_SANDBOX = new Map([
  ["katameter_sandbox_host_memory_bytes", "memory"],
  ["katameter_sandbox_overhead_memory_bytes", "overheadMemory"],
  ["katameter_guest_probe_up", "guestUp"],
  ["katameter_guest_suspect", "suspect"],
]);
const OF_CONTAINER = new Map([
  ["container_memory_working_set_bytes", "workingSet"],
  ["container_spec_memory_limit_bytes", "limit"],
  ["container_oom_events_total", "ooms"],
]);
// Each only in relation to the time between two scrapes.
const COUNTERS = new Map([
  ["katameter_sandbox_overhead_cpu_seconds_total", "overheadCpu"],
  ["container_cpu_usage_seconds_total", "cpu"],
  ["container_cpu_cfs_periods_total", "periods"],
  ["container_cpu_cfs_throttled_periods_total", "throttled"],
]);

function newSandbox(id) {
  return { id, pod: "", namespace: "", handler: "", cpu: new Map(), memoryParts: new Map(), containers: new Map() };
}

export class History {
  #before = new Map();
  #beforeSeconds = 0;
  #graphs = new Map(); // by sandbox: [{seconds, cpu, memory}]

  // Takes up one scrape, made at `seconds` of any steady clock; the sandboxes that it has.
  take(samples, seconds) {
    const elapsed = seconds - this.#beforeSeconds;
    const now = new Map();
    const rate = (sample) => {
      const key = `${sample.name} ${[...sample.labels].map(([name, value]) => `${name}=${JSON.stringify(value)}`)}`;
      now.set(key, sample.value);
      const before = this.#before.get(key);
      return before === undefined || elapsed <= 0 ? undefined : Math.max(0, sample.value - before) / elapsed;
    };
    const sandboxes = new Map();
    for (const sample of samples) this.#takeSample(sandboxes, sample, rate);
    // Of one that has ended only a few counters are still told.
    const alive = [...sandboxes.values()].filter((sandbox) => sandbox.guestUp !== undefined);
    this.#before = now;
    this.#beforeSeconds = seconds;
    this.#remember(alive, seconds);
    return alive;
  }

  #takeSample(sandboxes, sample, rate) {
    const path = /^\/kata\/([0-9a-f]{64})\/([0-9a-f]{64})$/.exec(sample.labels.get("id") ?? "");
    const id = path ? path[1] : sample.labels.get("sandbox_id");
    if (!id) return;
    if (!sandboxes.has(id)) sandboxes.set(id, newSandbox(id));
    const sandbox = sandboxes.get(id);
    if (path) {
      this.#takeContainer(sandbox, path[2], sample, rate);
    } else if (sample.name === CPU) {
      sandbox.cpu.set(sample.labels.get("component"), rate(sample));
    } else if (sample.name === "katameter_sandbox_memory_bytes") {
      sandbox.memoryParts.set(sample.labels.get("component"), sample.value);
    } else if (sample.name === "katameter_sandbox_info") {
      sandbox.namespace = sample.labels.get("namespace");
      sandbox.pod = sample.labels.get("pod");
      sandbox.handler = sample.labels.get("runtime_handler");
    } else if (COUNTERS.has(sample.name)) {
      sandbox[COUNTERS.get(sample.name)] = rate(sample);
    } else if (OF_SANDBOX.has(sample.name)) {
      sandbox[OF_SANDBOX.get(sample.name)] = sample.value;
    }
  }

  #takeContainer(sandbox, id, sample, rate) {
    const counter = COUNTERS.get(sample.name);
    const figure = counter ?? OF_CONTAINER.get(sample.name);
    if (figure === undefined) return;
    if (!sandbox.containers.has(id)) {
      const pause = id === sandbox.id ? "(pause)" : id.slice(0, 12);
      sandbox.containers.set(id, { name: sample.labels.get("container") || pause });
    }
    sandbox.containers.get(id)[figure] = counter ? rate(sample) : sample.value;
  }

  #remember(sandboxes, seconds) {
    const graphs = new Map();
    for (const sandbox of sandboxes) {
      const known = [...sandbox.cpu.values()].every((value) => value !== undefined) && sandbox.cpu.size > 0;
      sandbox.cpuTotal = known ? [...sandbox.cpu.values()].reduce((sum, value) => sum + value, 0) : undefined;
      const points = (this.#graphs.get(sandbox.id) ?? []).filter((point) => point.seconds > seconds - MINUTES * 60);
      points.push({ seconds, cpu: sandbox.cpuTotal, memory: sandbox.memory });
      graphs.set(sandbox.id, points);
      sandbox.graph = points;
    }
    this.#graphs = graphs;
  }
}
