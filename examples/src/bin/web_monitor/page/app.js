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

// ---- Looks: each state has an icon and a word; colour comes on top.

const STATUS = {
  INCOMPLETE: ["wait", "i-wait", "Incomplete"],
  QUEUED: ["wait", "i-wait", "Queued"],
  RUNNING: ["run", "i-run", "Running"],
  COMPLETED: ["done", "i-done", "Completed"],
  FAILED: ["fail", "i-fail", "Failed"],
  TERMINATED: ["fail", "i-stop", "Terminated"],
  REVIEW: ["person", "i-person", "In review"],
};
const lookOf = (status) => STATUS[status] ?? ["wait", "i-ask", status ?? "Not known yet"];

const NOTICE = {
  interrupted: ["bad", "i-cut", "Connection lost"],
  resumed: ["good", "i-live", "Listening again"],
  lagged: ["warn", "i-warn", "Monitor too slow"],
  gap: ["warn", "i-warn", "Events missing"],
  oversized: ["warn", "i-warn", "Event too large"],
  unknown_type: ["warn", "i-ask", "Unknown type of event"],
  undecodable: ["warn", "i-ask", "Unreadable message"],
  denied: ["bad", "i-stop", "Not allowed any more"],
  overflowed: ["bad", "i-stop", "Ended: too slow"],
  stopped: ["bad", "i-stop", "Ended"],
  // and of this page itself
  missed: ["warn", "i-warn", "This page was too slow"],
  away: ["bad", "i-cut", "No contact with the monitor"],
  back: ["good", "i-live", "In contact again"],
};

const LINK = {
  connecting: ["i-wait", "Connecting"],
  live: ["i-live", "Live"],
  interrupted: ["i-cut", "Interrupted"],
  offline: ["i-cut", "No contact"],
  ended: ["i-stop", "Ended"],
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
let connection = 0; // which one: answers to an earlier one are too late
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
  connection += 1;
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
  const mine = connection;
  isFetching = true;
  fetchAgain = false;
  buffered = [];
  let isDone = false;
  try {
    const answer = await fetch(`/api/runs${query()}`);
    if (!answer.ok) throw new Error(answer.statusText);
    const snapshot = await answer.json();
    if (mine !== connection) return;
    if (snapshot.epoch !== epoch) throw new Error("another monitor answered");
    replaceAll(snapshot);
    for (const message of buffered) if (message.seq > snapshot.seq) apply(message);
    buffered = null;
    isDone = true;
  } catch {
    if (mine !== connection) return;
  }
  draw();
  setTimeout(() => {
    if (mine !== connection) return;
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
  if (busLink !== "ended" && Date.now() - heardAt > SILENCE_MS) {
    contact(false);
    connect();
  }
}, 1000);

// ---- Screen

const cards = new Map(); // key -> its elements
let isDue = false;

function draw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
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

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.append(use);
  return svg;
}

const setIcon = (svg, name) => svg.firstChild.setAttribute("href", `#${name}`);

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function drawLink() {
  const state = isAway ? "offline" : !hasState ? "connecting" : busLink;
  const [image, word] = LINK[state];
  $("link").dataset.state = state;
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
    const [tone, image, word] = NOTICE[notice.kind] ?? ["warn", "i-warn", notice.kind];
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
  const status = make("span", "status", icon("i-ask"), make("span"));
  const took = make("span", "took");
  const nodes = make("ol", "nodes");
  const stale = make("p", "note", "May be out of date: events of it were missed");
  const error = make("p", "note bad");
  const title = make("h3", "", run.graph);
  title.title = run.graph;
  const meta = make("p", "meta", make("span", "user", run.user), make("span", "", run.id), make("span", "", clock(run.first_seen_ms)), took);
  const root = make("li", "run", make("div", "head", title, status), meta, nodes, error, stale);
  root.dataset.run = run.id;
  return { root, status, took, nodes, stale, error, chips: new Map() };
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
      chip = make("li", "node", icon("i-ask"), make("span", "", node.name), make("span", "unseen"));
      card.chips.set(node.id, chip);
      card.nodes.append(chip);
    }
    if (chip.dataset.status !== node.status) {
      const [look, image, word] = lookOf(node.status);
      chip.dataset.status = node.status;
      chip.dataset.look = look;
      chip.title = `${node.name}: ${word}`;
      setIcon(chip.firstElementChild, image);
      setText(chip.lastElementChild, word);
    }
  }
  if (run.nodes_not_kept) card.nodes.dataset.more = run.nodes_not_kept;
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
