// Asks host-probe for its sandboxes every few seconds while the page is visible, and shows them.

import { History } from "./history.js";
import { card, title } from "./sandbox.js";

const PERIOD_MS = 5000;
const FIRST_MS = 1000; // rates need two documents
const CARDS = 60;

const history = new History();
const status = document.getElementById("status");
const filter = document.getElementById("filter");
const place = document.getElementById("sandboxes");
let sandboxes = [];
let documents = 0;
let timer;

const cpu = (sandbox) => sandbox.perSecond.host_cpu_seconds_total;

function say(text, isWarning) {
  status.textContent = text;
  status.classList.toggle("warn", Boolean(isWarning));
}

function show() {
  const wanted = filter.value.trim().toLowerCase();
  const matching = sandboxes.filter((sandbox) => `${title(sandbox)} ${sandbox.id}`.toLowerCase().includes(wanted));
  // Those with the most CPU time, in an order that stays the same.
  const shown = [...matching].sort((a, b) => (cpu(b) ?? 0) - (cpu(a) ?? 0)).slice(0, CARDS);
  shown.sort((a, b) => title(a).localeCompare(title(b)) || a.id.localeCompare(b.id));
  const highest = (value) => Math.max(0, ...sandboxes.map((sandbox) => value(sandbox) ?? 0));
  const most = { cpu: highest(cpu), memory: highest((sandbox) => sandbox.host_memory_bytes) };
  place.replaceChildren(...shown.map((sandbox) => card(sandbox, most)));
  const hidden = matching.length - shown.length;
  const rest = hidden > 0 ? `; ${hidden} with less CPU time are not shown: narrow it down` : "";
  const count = sandboxes.length === 1 ? "1 sandbox" : `${sandboxes.length} sandboxes`;
  say(`${count}, ${new Date().toLocaleTimeString()}${rest}`);
}

async function look() {
  timer = undefined;
  try {
    // Relative to the page, which may be below the prefix of a proxy.
    const answer = await fetch("api/sandboxes", { cache: "no-store", credentials: "same-origin" });
    if (!answer.ok) {
      const { error } = await answer.json().catch(() => ({})); // a proxy's answer is not JSON
      throw new Error(error ?? `host-probe answers with status ${answer.status}`);
    }
    sandboxes = history.take(await answer.json());
    ++documents;
    show();
  } catch (error) {
    say(`No new values: ${error.message}`, true);
  }
  wait();
}

function wait() {
  if (document.hidden || timer !== undefined) return;
  timer = setTimeout(look, documents === 1 ? FIRST_MS : PERIOD_MS);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && timer === undefined) look();
});
filter.addEventListener("input", show);
look();
