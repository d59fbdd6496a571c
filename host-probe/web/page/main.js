// Asks host-probe for its metrics every few seconds while somebody looks, and shows them. host-probe itself keeps nothing
// for this page.

import { parseExposition } from "./exposition.js";
import { History } from "./history.js";
import { card, title } from "./sandbox.js";

const PERIOD_MS = 5000;
const FIRST_MS = 1000; // rates need two scrapes
const CARDS = 60;

const history = new History();
const status = document.getElementById("status");
const filter = document.getElementById("filter");
const place = document.getElementById("sandboxes");
let sandboxes = [];
let scrapes = 0;
let timer;

function say(text, isWarning) {
  status.textContent = text;
  status.classList.toggle("warn", Boolean(isWarning));
}

function show() {
  const wanted = filter.value.trim().toLowerCase();
  const matching = sandboxes.filter((sandbox) => `${title(sandbox)} ${sandbox.id}`.toLowerCase().includes(wanted));
  // The dearest, in an order that does not jump about.
  const shown = [...matching].sort((a, b) => (b.cpuTotal ?? 0) - (a.cpuTotal ?? 0)).slice(0, CARDS);
  shown.sort((a, b) => title(a).localeCompare(title(b)) || a.id.localeCompare(b.id));
  const highest = (figure) => Math.max(0, ...sandboxes.map((sandbox) => sandbox[figure] ?? 0));
  const most = { cpu: highest("cpuTotal"), memory: highest("memory") };
  place.replaceChildren(...shown.map((sandbox) => card(sandbox, most)));
  const hidden = matching.length - shown.length;
  const rest = hidden > 0 ? `; ${hidden} with less CPU time are not shown: narrow it down` : "";
  const count = sandboxes.length === 1 ? "1 sandbox" : `${sandboxes.length} sandboxes`;
  say(`${count}, ${new Date().toLocaleTimeString()}${rest}`);
}

async function look() {
  timer = undefined;
  try {
    const answer = await fetch(document.body.dataset.metrics, { cache: "no-store", credentials: "same-origin" });
    if (!answer.ok) throw new Error(`host-probe answers ${answer.status}`);
    const samples = parseExposition(await answer.text());
    if (samples.some((sample) => sample.name === "katameter_scrape_collect_success" && sample.value === 0)) {
      throw new Error("host-probe did not collect in time");
    }
    sandboxes = history.take(samples, performance.now() / 1000);
    ++scrapes;
    show();
  } catch (error) {
    say(`No new figures: ${error.message}`, true);
  }
  wait();
}

function wait() {
  if (document.hidden || timer !== undefined) return;
  timer = setTimeout(look, scrapes === 1 ? FIRST_MS : PERIOD_MS);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && timer === undefined) look();
});
filter.addEventListener("input", show);
look();
