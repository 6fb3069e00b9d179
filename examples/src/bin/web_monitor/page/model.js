// What the page knows: runs as of the last snapshot and the changes behind it. No element of the page, no network.

const KEPT_NOTICES = 50;

export const model = {
  runs: new Map(), // key -> run, with its nodes in a Map
  order: [], // keys, the newest first
  total: 0, // how many the monitor has of those that are wanted
  shownAtMost: 200,
  keptAtMost: 1000,
  notices: [], // the oldest first
  rates: [],
  browsers: 1,
  busLink: "live",
  isStale: false,
  since: 0, // when the link went bad
  isAway: false, // no contact with the monitor
  hasState: false,
  waiting: 0, // updates while paused
  isPaused: false,
  // What the screen does not show yet.
  dirty: new Set(), // keys of runs
  touched: { list: false, link: true, notices: true, rate: true },
  announce: () => {}, // what is to be read out
};

const isNewer = (a, b) => a.first_seen_ms - b.first_seen_ms || (a.key > b.key ? 1 : -1);

function put(run) {
  const known = model.runs.get(run.key);
  if (known) {
    Object.assign(known, run, { first_seen_ms: known.first_seen_ms });
    model.dirty.add(run.key);
    return known;
  }
  let place = model.order.findIndex((key) => isNewer(run, model.runs.get(key)) > 0);
  if (place < 0) place = model.order.length;
  if (place >= model.shownAtMost) return null; // an old one that is not shown
  model.order.splice(place, 0, run.key);
  model.runs.set(run.key, Object.assign(run, { nodes: new Map((run.nodes ?? []).map((node) => [node.id, node])) }));
  model.total = Math.min(model.total + 1, model.keptAtMost);
  for (const key of model.order.splice(model.shownAtMost)) {
    model.runs.delete(key);
    model.dirty.delete(key);
  }
  model.dirty.add(run.key);
  model.touched.list = true;
  return run;
}

export function change({ run, node }) {
  const kept = put(run);
  if (kept && node) kept.nodes.set(node.id, node);
  if (model.isPaused) model.waiting += 1;
}

export function replaceAll(snapshot) {
  ({ shown_at_most: model.shownAtMost, kept_at_most: model.keptAtMost } = snapshot);
  model.runs.clear();
  model.order = snapshot.runs.map((run) => run.key);
  for (const run of snapshot.runs) {
    run.nodes = new Map(run.nodes.map((node) => [node.id, node]));
    model.runs.set(run.key, run);
    model.dirty.add(run.key);
  }
  model.total = snapshot.total;
  const own = model.notices.filter((notice) => notice.isOwn);
  model.notices = [...snapshot.notices, ...own].sort((a, b) => a.at_ms - b.at_ms).slice(-KEPT_NOTICES);
  setLink(snapshot.link, snapshot.is_stale);
  model.hasState = true;
  model.touched.list = model.touched.notices = true;
}

export function note(notice) {
  model.notices = model.notices.filter((known) => known.id !== notice.id);
  model.notices.push(notice);
  model.notices = model.notices.slice(-KEPT_NOTICES);
  model.touched.notices = true;
  model.announce(notice);
}

let ownNotices = 0;
export function noteOwn(kind, text) {
  note({ id: `own-${++ownNotices}`, kind, text, times: 1, at_ms: Date.now(), isOwn: true });
}

export function setLink(link, stale) {
  if ((link !== "live" || stale) && model.busLink === "live" && !model.isStale) model.since = Date.now();
  model.busLink = link;
  model.isStale = stale;
  model.touched.link = true;
}
