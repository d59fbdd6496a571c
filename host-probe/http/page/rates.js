// Rates of two documents of /api/sandboxes. host-probe keeps nothing for a client, so a client compares by itself.

// What a number, or each number of an object, grew by in a second. Undefined if it is new, or has fallen in a restart.
function rate(now, before, seconds) {
  if (typeof now === "number" && typeof before === "number") return now >= before ? (now - before) / seconds : undefined;
  if (typeof now !== "object" || typeof before !== "object") return undefined;
  return Object.fromEntries(Object.keys(now).map((name) => [name, rate(now[name], before[name], seconds)]));
}

function counterRates(now, before, seconds) {
  const counters = Object.keys(now).filter((name) => name.endsWith("_total"));
  return Object.fromEntries(counters.map((name) => [name, rate(now[name], before?.[name], seconds)]));
}

const byId = (objects) => new Map((objects ?? []).map((object) => [object.id, object]));

// The sandboxes of `now`; they and their containers get `perSecond`, by the names of their counters. CPU time per second
// is a number of CPUs. `earlier` may be undefined.
export function withRates(now, earlier) {
  const seconds = now.monotonic_seconds - (earlier?.monotonic_seconds ?? now.monotonic_seconds);
  const sandboxes = seconds > 0 ? byId(earlier.sandboxes) : new Map();
  return now.sandboxes.map((sandbox) => {
    const before = sandboxes.get(sandbox.id);
    const containers = byId(before?.containers);
    return {
      ...sandbox,
      perSecond: counterRates(sandbox, before, seconds),
      containers: sandbox.containers.map((container) =>
        ({ ...container, perSecond: counterRates(container, containers.get(container.id), seconds) })),
    };
  });
}
