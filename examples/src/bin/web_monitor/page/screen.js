// The model on the screen: once per frame, and only what changed.

import { ICON, LINK, clock, lookOf, noticeLook, number } from "/looks.js";
import { model } from "/model.js";

const RATES = 60; // how many the line has room for

export const $ = (id) => document.getElementById(id);

const cards = new Map(); // key -> its elements
let isDue = false;
let notBefore = 0;

// Once per frame at most; where that is slow, two thirds of the time are left to whoever uses the page.
export function draw() {
  if (isDue) return;
  isDue = true;
  setTimeout(requestAnimationFrame, notBefore - performance.now(), () => {
    isDue = false;
    const began = performance.now();
    setTimeout(() => { // behind layout and painting
      const ended = performance.now();
      notBefore = ended + Math.min(2 * (ended - began), 250);
    });
    if (model.touched.link) drawLink();
    if (model.touched.notices) drawNotices();
    if (model.touched.rate) drawRate();
    if (!model.isPaused) drawRuns();
    drawTally();
    model.touched.link = model.touched.notices = model.touched.rate = false;
  });
}

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";
function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "path"));
  setIcon(svg, name);
  return svg;
}

const setIcon = (svg, name) => svg.firstElementChild.setAttribute("d", ICON[name]);

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function drawLink() {
  const state = model.isAway ? "offline" : !model.hasState ? "connecting" : model.busLink;
  const [image, word] = LINK[state];
  $("link").dataset.state = document.body.dataset.link = state;
  if (model.isAway) setText($("rate"), "–");
  setIcon($("link").firstElementChild, image);
  setText($("link").lastElementChild, word);
  const old = "what you see may be out of date";
  const text = {
    offline: `No contact with the monitor since ${clock(model.since)}: trying again; ${old}.`,
    interrupted: `The monitor lost its connection to the bus at ${clock(model.since)}: events are being missed, and ${old}.`,
    ended: `The monitor hears nothing more: its subscription has ended (see the notices), and ${old}.`,
  }[state] ?? (model.isStale && model.hasState ? `Something was missed: the state is being fetched anew; until then ${old}.` : "");
  $("banner").dataset.tone = state === "interrupted" || state === "live" ? "warn" : "bad";
  $("banner").hidden = !text;
  setText($("banner").lastElementChild, text);
  document.title = state === "live" ? "Agent runs, live" : `${word} · Agent runs`;
}

function drawNotices() {
  const list = $("notices");
  const items = model.notices.toReversed().map((notice) => {
    const [tone, image, word] = noticeLook(notice.kind);
    const times = notice.times > 1 ? ` ×${number.format(notice.times)}` : "";
    const item = make("li", "notice", icon(image), make("b", "", word + times, make("time", "", clock(notice.at_ms))), make("p", "", notice.text));
    item.dataset.tone = tone;
    item.dataset.kind = notice.kind;
    return item;
  });
  list.replaceChildren(...items);
  list.hidden = !items.length;
  $("no-notices").hidden = !!items.length;
  setText($("notice-count"), items.length ? `(${items.length})` : "");
}

function drawRate() {
  const last = model.rates.at(-1) ?? 0;
  setText($("rate"), number.format(Math.round(last)));
  const most = Math.max(...model.rates, 1);
  const step = 120 / (RATES - 1);
  const points = model.rates.map((rate, place) => `${((RATES - model.rates.length + place) * step).toFixed(1)},${(31 - (rate / most) * 29).toFixed(1)}`);
  const line = `M${points.join("L")}`;
  $("spark").querySelector(".line").setAttribute("d", model.rates.length > 1 ? line : "");
  $("spark").querySelector(".area").setAttribute("d", model.rates.length > 1 ? `${line}L120,32L${points[0].split(",")[0]},32Z` : "");
  $("spark").setAttribute("aria-label", `${Math.round(last)} events per second; at most ${Math.round(most)} in the last minute`);
  setText($("browsers"), model.browsers === 1 ? "1 page is open" : `${number.format(model.browsers)} pages are open`);
}

function drawRuns() {
  model.waiting = 0;
  if (model.touched.list) {
    for (const [key, card] of cards) {
      if (model.runs.has(key)) continue;
      card.root.remove();
      cards.delete(key);
    }
  }
  const added = [];
  for (const key of model.dirty) {
    const run = model.runs.get(key);
    if (!run) continue;
    if (!cards.has(key)) {
      cards.set(key, newCard(run));
      added.push(key);
    }
    fill(cards.get(key), run);
  }
  model.dirty.clear();
  if (model.touched.list) arrange();
  // A few newcomers fade in; many at once would only flicker.
  for (const key of added.length < 4 ? added : []) cards.get(key)?.root.classList.add("is-new");
  model.touched.list = false;
}

// Puts the cards in order, moving none that stands right.
function arrange() {
  let next = $("list").firstElementChild;
  for (const key of model.order) {
    const { root } = cards.get(key);
    if (root === next) next = next.nextElementSibling;
    else $("list").insertBefore(root, next);
  }
  $("empty").hidden = model.order.length > 0;
  const isFiltered = location.search !== "";
  setText($("empty"), isFiltered ? "No run matches this filter." : "Waiting for the first run…");
  suggest();
}

function newCard(run) {
  const status = make("span", "status", icon("ask"), make("span"));
  const took = make("span", "took");
  const nodes = make("ol", "nodes");
  const stale = make("p", "note", "May be out of date: events of it were missed");
  const more = make("p", "quiet", "It has more nodes than are shown");
  const error = make("p", "note bad");
  const title = make("h3", "", run.graph);
  title.title = run.graph;
  const meta = make("p", "meta", make("span", "user", run.user), make("span", "", run.id), make("span", "", clock(run.first_seen_ms)), took);
  const root = make("li", "run", make("div", "head", title, status), meta, nodes, more, error, stale);
  root.dataset.run = run.id;
  return { root, status, took, nodes, more, stale, error, chips: new Map() };
}

function fill(card, run) {
  const [look, image, word] = lookOf(run.status);
  if (card.root.dataset.status !== `${run.status}`) {
    card.root.dataset.status = run.status;
    card.root.dataset.look = card.status.dataset.look = look;
    setIcon(card.status.firstElementChild, image);
    setText(card.status.lastElementChild, word);
  }
  setText(card.took, run.has_ended ? `took ${((run.changed_ms - run.first_seen_ms) / 1000).toFixed(1)} s` : "");
  card.stale.hidden = !run.may_be_stale;
  card.error.hidden = !run.error;
  setText(card.error, run.error ? `Failed: ${run.error}` : "");
  for (const id of card.chips.keys()) {
    if (run.nodes.has(id)) continue;
    card.chips.get(id).remove();
    card.chips.delete(id);
  }
  for (const node of run.nodes.values()) {
    let chip = card.chips.get(node.id);
    if (!chip) {
      chip = make("li", "node", icon("ask"), node.name);
      chip.firstElementChild.removeAttribute("aria-hidden"); // here the icon is all that tells the state
      chip.firstElementChild.setAttribute("role", "img");
      card.chips.set(node.id, chip);
      card.nodes.append(chip);
    }
    if (chip.dataset.status !== node.status) {
      const [look, image, word] = lookOf(node.status);
      chip.dataset.status = node.status;
      chip.dataset.look = look;
      chip.title = `${node.name}: ${word}`;
      setIcon(chip.firstElementChild, image);
      chip.firstElementChild.setAttribute("aria-label", word);
    }
  }
  card.more.hidden = !run.has_more_nodes;
}

function drawTally() {
  const counts = new Map();
  for (const run of model.runs.values()) {
    const word = lookOf(run.status)[2];
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const parts = ["Running", "Queued", "Completed", "Failed"].map((word) => `${word} ${number.format(counts.get(word) ?? 0)}`);
  setText($("tally"), model.isPaused ? `Paused: ${number.format(model.waiting)} updates are waiting` : parts.join(" · "));
  const hidden = model.total - model.order.length;
  const kept = model.total >= model.keptAtMost ? ` The monitor itself keeps the newest ${number.format(model.keptAtMost)}.` : "";
  setText($("more"), hidden > 0 ? `The newest ${number.format(model.order.length)} of ${number.format(model.total)} runs are shown; ${number.format(hidden)} older ones are not.${kept}` : "");
}

// Once a second at most: who listens to the page must not be flooded.
let toAnnounce = "";
model.announce = ({ kind, text }) => {
  if (!toAnnounce) {
    setTimeout(() => {
      $("announcement").textContent = toAnnounce;
      toAnnounce = "";
    }, 1000);
  }
  toAnnounce = `${noticeLook(kind)[2]}: ${text}`;
};

let suggestedAt = 0;
function suggest() {
  if (Date.now() - suggestedAt < 2000) return;
  suggestedAt = Date.now();
  for (const [id, field] of [["users", "user"], ["graphs", "graph"]]) {
    const values = [...new Set([...model.runs.values()].map((run) => run[field]))].sort().slice(0, 50);
    const known = [...$(id).children].map((option) => option.value);
    if (values.some((value) => !known.includes(value))) {
      $(id).replaceChildren(...values.map((value) => Object.assign(make("option"), { value })));
    }
  }
}
