// The page: a snapshot of the runs, and the changes behind it. Messages change the model at once; the screen follows
// once per frame, and touches only what changed. Order below: looks, model, stream, screen, controls.

const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });

const BETWEEN_FETCHES_MS = 400; // a flood of gaps makes no flood of fetches
const SILENCE_MS = 4000; // beats come every second
const BUFFERED_MESSAGES = 5000;
const KEPT_NOTICES = 50;
const RATES = 60;

// ---- Looks: each state has an icon and a word; colour comes on top. An icon is one path, since there are a thousand.

const ICON = {
  wait: "M8 2.8v.01M11.7 4.3v.01M13.2 8v.01M11.7 11.7v.01M8 13.2v.01M4.3 11.7v.01M2.8 8v.01M4.3 4.3v.01",
  run: "M8 2.8A5.2 5.2 0 1 1 2.8 8",
  done: "m3.2 8.6 3.2 3.2 6.4-7.2",
  fail: "m4 4 8 8m0-8-8 8",
  stop: "M4 4h8v8H4z",
  person: "M8 2.6a2.4 2.4 0 1 0 .01 0M3 13.4a5 5 0 0 1 10 0z",
  ask: "M5.6 5.6a2.4 2.4 0 1 1 3.5 2.2c-.8.4-1.1.9-1.1 1.8M8 12.6v.1",
  warn: "M8 2.4 14.2 13H1.8zM8 6.4v3M8 11.2v.1",
  live: "M8 5a3 3 0 1 0 .01 0M8 7a1 1 0 1 0 .01 0",
  cut: "M1.5 8H5m6 0h3.5M5 5v6m6-6v6M9.4 2.5l-2.8 11",
};

const STATUS = {
  INCOMPLETE: ["wait", "wait", "Incomplete"],
  QUEUED: ["wait", "wait", "Queued"],
  RUNNING: ["run", "run", "Running"],
  COMPLETED: ["done", "done", "Completed"],
  FAILED: ["fail", "fail", "Failed"],
  TERMINATED: ["fail", "stop", "Terminated"],
  REVIEW: ["person", "person", "In review"],
};
const lookOf = (status) => STATUS[status] ?? ["wait", "ask", status ?? "Not known yet"];

const NOTICE = {
  interrupted: ["bad", "cut", "Connection lost"],
  resumed: ["good", "live", "Listening again"],
  lagged: ["warn", "warn", "Monitor too slow"],
  gap: ["warn", "warn", "Events missing"],
  oversized: ["warn", "warn", "Event too large"],
  unknown_type: ["warn", "ask", "Unknown type of event"],
  undecodable: ["warn", "ask", "Unreadable message"],
  denied: ["bad", "stop", "Not allowed any more"],
  overflowed: ["bad", "stop", "Ended: too slow"],
  stopped: ["bad", "stop", "Ended"],
  // and of this page itself
  missed: ["warn", "warn", "This page was too slow"],
  away: ["bad", "cut", "No contact with the monitor"],
  back: ["good", "live", "In contact again"],
};

const LINK = {
  connecting: ["wait", "Connecting"],
  live: ["live", "Live"],
  interrupted: ["cut", "Interrupted"],
  offline: ["cut", "No contact"],
  ended: ["stop", "Ended"],
};

// ---- Model

const runs = new Map(); // key -> run, with its nodes in a Map
let order = []; // keys, the newest first
let total = 0; // how many the monitor has of those that are wanted
let shownAtMost = 200;
let keptAtMost = 1000;
let notices = []; // the oldest first
let rates = [];
let browsers = 1;
let busLink = "live";
let isStale = false;
let since = 0; // when the link went bad
let isAway = false; // no contact with the monitor
let hasState = false;
let waiting = 0; // updates while paused
let isPaused = false;

const dirty = new Set();
const touched = { list: false, link: true, notices: true, rate: true };

const isNewer = (a, b) => a.first_seen_ms - b.first_seen_ms || (a.key > b.key ? 1 : -1);

function put(run) {
  const known = runs.get(run.key);
  if (known) {
    Object.assign(known, run, { first_seen_ms: known.first_seen_ms });
    dirty.add(run.key);
    return known;
  }
  let place = order.findIndex((key) => isNewer(run, runs.get(key)) > 0);
  if (place < 0) place = order.length;
  if (place >= shownAtMost) return null; // an old one that is not shown
  order.splice(place, 0, run.key);
  runs.set(run.key, Object.assign(run, { nodes: new Map((run.nodes ?? []).map((node) => [node.id, node])) }));
  total = Math.min(total + 1, keptAtMost);
  for (const key of order.splice(shownAtMost)) {
    runs.delete(key);
    dirty.delete(key);
  }
  dirty.add(run.key);
  touched.list = true;
  return run;
}

function change({ run, node }) {
  const kept = put(run);
  if (kept && node) kept.nodes.set(node.id, node);
  if (isPaused) waiting += 1;
}

function replaceAll(snapshot) {
  ({ shown_at_most: shownAtMost, kept_at_most: keptAtMost } = snapshot);
  runs.clear();
  order = snapshot.runs.map((run) => run.key);
  for (const run of snapshot.runs) {
    run.nodes = new Map(run.nodes.map((node) => [node.id, node]));
    runs.set(run.key, run);
    dirty.add(run.key);
  }
  total = snapshot.total;
  const own = notices.filter((notice) => notice.isOwn);
  notices = [...snapshot.notices, ...own].sort((a, b) => a.at_ms - b.at_ms).slice(-KEPT_NOTICES);
  setLink(snapshot.link, snapshot.is_stale);
  hasState = true;
  touched.list = touched.notices = true;
}

function note(notice) {
  notices = notices.filter((known) => known.id !== notice.id);
  notices.push(notice);
  notices = notices.slice(-KEPT_NOTICES);
  touched.notices = true;
  announce(`${NOTICE[notice.kind]?.[2] ?? notice.kind}: ${notice.text}`);
}

let ownNotices = 0;
function noteOwn(kind, text) {
  note({ id: `own-${++ownNotices}`, kind, text, times: 1, at_ms: Date.now(), isOwn: true });
}

function setLink(link, stale) {
  if ((link !== "live" || stale) && busLink === "live" && !isStale) since = Date.now();
  busLink = link;
  isStale = stale;
  touched.link = true;
}

// ---- Stream: events come over one connection, the state by fetching. Changes behind the snapshot's number count.

let source = null;
let attempt = 0; // which fetch is the newest: answers to earlier ones are too late
let heardAt = Date.now();
let epoch = null;
let buffered = null; // messages that came while a snapshot was on its way
let isFetching = false;
let fetchAgain = false;
let retry = 0;

function query() {
  const wanted = new URLSearchParams();
  for (const name of ["user", "graph"]) if ($(name).value.trim()) wanted.set(name, $(name).value.trim());
  return wanted.size ? `?${wanted}` : "";
}

function connect() {
  source?.close();
  clearTimeout(retry);
  attempt += 1;
  heardAt = Date.now();
  source = new EventSource(`/events${query()}`);
  const on = (name, handle) => source.addEventListener(name, (message) => {
    heardAt = Date.now();
    handle(JSON.parse(message.data));
    draw();
  });
  on("hello", (hello) => {
    epoch = hello.epoch;
    contact(true, hello.missed);
    refetch(true);
  });
  for (const name of ["graph_execution_update", "node_execution_update", "notice"]) {
    on(name, (message) => {
      if (!buffered) apply(message);
      else if (buffered.length < BUFFERED_MESSAGES) buffered.push(message);
      else fetchAgain = true;
    });
  }
  on("refetch", () => refetch());
  on("missed", ({ missed }) => {
    noteOwn("missed", `${number.format(missed)} updates were passed over; the state was fetched anew`);
    refetch();
  });
  on("beat", (beat) => {
    rates = [...rates, beat.events_per_s].slice(-RATES);
    browsers = beat.browsers;
    touched.rate = true;
    if (!buffered && beat.link !== busLink) refetch();
  });
  source.onerror = () => {
    contact(false);
    // What the browser gives up on (an error instead of a stream) is tried again here.
    if (source.readyState === EventSource.CLOSED) retry = setTimeout(connect, 1000 + 1000 * Math.random());
  };
}

function apply(message) {
  if (message.notice) {
    note(message.notice);
    setLink(message.link, true);
  } else {
    change(message);
  }
}

// One at a time; what asks meanwhile gets one more afterwards. `isNow`: nothing is known of this connection yet.
async function refetch(isNow = false) {
  if (isFetching && !isNow) {
    fetchAgain = true;
    return;
  }
  const mine = ++attempt;
  isFetching = true;
  fetchAgain = false;
  buffered = [];
  let isDone = false;
  try {
    const answer = await fetch(`/api/runs${query()}`);
    if (!answer.ok) throw new Error(answer.statusText);
    const snapshot = await answer.json();
    if (mine !== attempt) return;
    if (snapshot.epoch !== epoch) throw new Error("another monitor answered");
    replaceAll(snapshot);
    for (const message of buffered) if (message.seq > snapshot.seq) apply(message);
    buffered = null;
    isDone = true;
  } catch {
    if (mine !== attempt) return;
  }
  draw();
  setTimeout(() => {
    if (mine !== attempt) return;
    isFetching = false;
    if (fetchAgain || !isDone) refetch();
  }, BETWEEN_FETCHES_MS);
}

function contact(isThere, missed) {
  if (isThere && missed) noteOwn("back", `${number.format(missed)} updates passed meanwhile; the state was fetched anew`);
  else if (isThere && isAway) noteOwn("back", "the state was fetched anew");
  else if (!isThere && !isAway && hasState) noteOwn("away", "the page is trying again; what it shows may be out of date");
  if (!isThere && !isAway) since = Date.now();
  isAway = !isThere;
  touched.link = true;
  draw();
}

setInterval(() => {
  if (Date.now() - heardAt > SILENCE_MS) {
    contact(false);
    connect();
  }
}, 1000);

// ---- Screen

const cards = new Map(); // key -> its elements
let isDue = false;
let notBefore = 0;

// Once per frame at most; where that is slow, two thirds of the time are left to whoever uses the page.
function draw() {
  if (isDue) return;
  isDue = true;
  setTimeout(requestAnimationFrame, notBefore - performance.now(), () => {
    isDue = false;
    const began = performance.now();
    setTimeout(() => { // behind layout and painting
      const ended = performance.now();
      notBefore = ended + Math.min(2 * (ended - began), 250);
    });
    if (touched.link) drawLink();
    if (touched.notices) drawNotices();
    if (touched.rate) drawRate();
    if (!isPaused) drawRuns();
    drawTally();
    touched.link = touched.notices = touched.rate = false;
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
  const state = isAway ? "offline" : !hasState ? "connecting" : busLink;
  const [image, word] = LINK[state];
  $("link").dataset.state = document.body.dataset.link = state;
  if (isAway) setText($("rate"), "–");
  setIcon($("link").firstElementChild, image);
  setText($("link").lastElementChild, word);
  const old = "what you see may be out of date";
  const text = {
    offline: `No contact with the monitor since ${clock(since)}: trying again; ${old}.`,
    interrupted: `The monitor lost its connection to the bus at ${clock(since)}: events are being missed, and ${old}.`,
    ended: `The monitor hears nothing more: its subscription has ended (see the notices), and ${old}.`,
  }[state] ?? (isStale && hasState ? `Something was missed: the state is being fetched anew; until then ${old}.` : "");
  $("banner").dataset.tone = state === "interrupted" || state === "live" ? "warn" : "bad";
  $("banner").hidden = !text;
  setText($("banner").lastElementChild, text);
  document.title = state === "live" ? "Agent runs, live" : `${word} · Agent runs`;
}

function drawNotices() {
  const list = $("notices");
  const items = notices.toReversed().map((notice) => {
    const [tone, image, word] = NOTICE[notice.kind] ?? ["warn", "warn", notice.kind];
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
  const last = rates.at(-1) ?? 0;
  setText($("rate"), number.format(Math.round(last)));
  const most = Math.max(...rates, 1);
  const step = 120 / (RATES - 1);
  const points = rates.map((rate, place) => `${((RATES - rates.length + place) * step).toFixed(1)},${(31 - (rate / most) * 29).toFixed(1)}`);
  const line = `M${points.join("L")}`;
  $("spark").querySelector(".line").setAttribute("d", rates.length > 1 ? line : "");
  $("spark").querySelector(".area").setAttribute("d", rates.length > 1 ? `${line}L120,32L${points[0].split(",")[0]},32Z` : "");
  $("spark").setAttribute("aria-label", `${Math.round(last)} events per second; at most ${Math.round(most)} in the last minute`);
  setText($("browsers"), browsers === 1 ? "1 page is open" : `${number.format(browsers)} pages are open`);
}

function drawRuns() {
  waiting = 0;
  if (touched.list) {
    for (const [key, card] of cards) {
      if (runs.has(key)) continue;
      card.root.remove();
      cards.delete(key);
    }
  }
  const added = [];
  for (const key of dirty) {
    const run = runs.get(key);
    if (!run) continue;
    if (!cards.has(key)) {
      cards.set(key, newCard(run));
      added.push(key);
    }
    fill(cards.get(key), run);
  }
  dirty.clear();
  if (touched.list) arrange();
  // A few newcomers fade in; many at once would only flicker.
  for (const key of added.length < 4 ? added : []) cards.get(key)?.root.classList.add("is-new");
  touched.list = false;
}

// Puts the cards in order, moving none that stands right.
function arrange() {
  let next = $("list").firstElementChild;
  for (const key of order) {
    const { root } = cards.get(key);
    if (root === next) next = next.nextElementSibling;
    else $("list").insertBefore(root, next);
  }
  $("empty").hidden = order.length > 0;
  const isFiltered = query() !== "";
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
  for (const run of runs.values()) {
    const word = lookOf(run.status)[2];
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const parts = ["Running", "Queued", "Completed", "Failed"].map((word) => `${word} ${number.format(counts.get(word) ?? 0)}`);
  setText($("tally"), isPaused ? `Paused: ${number.format(waiting)} updates are waiting` : parts.join(" · "));
  const hidden = total - order.length;
  const kept = total >= keptAtMost ? ` The monitor itself keeps the newest ${number.format(keptAtMost)}.` : "";
  setText($("more"), hidden > 0 ? `The newest ${number.format(order.length)} of ${number.format(total)} runs are shown; ${number.format(hidden)} older ones are not.${kept}` : "");
}

// Once a second at most: who listens to the page must not be flooded.
let toAnnounce = "";
function announce(text) {
  if (!toAnnounce) setTimeout(() => {
    $("announcement").textContent = toAnnounce;
    toAnnounce = "";
  }, 1000);
  toAnnounce = text;
}

let suggestedAt = 0;
function suggest() {
  if (Date.now() - suggestedAt < 2000) return;
  suggestedAt = Date.now();
  for (const [id, field] of [["users", "user"], ["graphs", "graph"]]) {
    const values = [...new Set([...runs.values()].map((run) => run[field]))].sort().slice(0, 50);
    const known = [...$(id).children].map((option) => option.value);
    if (values.some((value) => !known.includes(value))) {
      $(id).replaceChildren(...values.map((value) => Object.assign(make("option"), { value })));
    }
  }
}

// ---- Controls

let typing = 0;
function filterChanged() {
  clearTimeout(typing);
  typing = setTimeout(() => {
    history.replaceState(null, "", location.pathname + query());
    connect();
  }, 150);
}

function clearFilters() {
  $("user").value = $("graph").value = "";
  filterChanged();
}

function togglePause() {
  isPaused = !isPaused;
  $("pause").setAttribute("aria-pressed", isPaused);
  setText($("pause"), isPaused ? "Go on" : "Pause");
  draw();
}

$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("input", filterChanged);
$("clear").addEventListener("click", clearFilters);
$("pause").addEventListener("click", togglePause);
document.addEventListener("keydown", (event) => {
  const isTyping = event.target instanceof HTMLInputElement;
  if (event.key === "Escape" && isTyping) {
    event.target.value = "";
    filterChanged();
  } else if (isTyping || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  } else if (event.key === "/") {
    event.preventDefault();
    $("user").focus();
    $("user").select();
  } else if (event.key === "p") {
    togglePause();
  }
});

const asked = new URLSearchParams(location.search);
for (const name of ["user", "graph"]) $(name).value = asked.get(name) ?? "";
connect();
draw();
