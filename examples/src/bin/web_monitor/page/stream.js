// The way from the monitor to the model: changes come over one connection, the state by fetching. Those behind the
// snapshot's number count.

import { number } from "/looks.js";
import { change, model, note, noteOwn, replaceAll, setLink } from "/model.js";

const BETWEEN_FETCHES_MS = 400; // a flood of gaps makes no flood of fetches
const SILENCE_MS = 4000; // beats come every second
const BUFFERED_MESSAGES = 5000;
const RATES = 60;

let query = "";
let draw = () => {};
let source = null;
let attempt = 0; // which fetch is the newest: answers to earlier ones are too late
let heardAt = Date.now();
let epoch = null;
let buffered = null; // messages that came while a snapshot was on its way
let isFetching = false;
let fetchAgain = false;
let retry = 0;

// Follows the runs that `wanted` (a URL's query) lets through; `changed` is called after each change of the model.
export function follow(wanted, changed) {
  query = wanted;
  draw = changed;
  connect();
}

function connect() {
  source?.close();
  clearTimeout(retry);
  attempt += 1;
  heardAt = Date.now();
  source = new EventSource(`/events${query}`);
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
    model.rates = [...model.rates, beat.events_per_s].slice(-RATES);
    model.browsers = beat.browsers;
    model.touched.rate = true;
    if (!buffered && beat.link !== model.busLink) refetch();
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
    const answer = await fetch(`/api/runs${query}`);
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
  else if (isThere && model.isAway) noteOwn("back", "the state was fetched anew");
  else if (!isThere && !model.isAway && model.hasState) noteOwn("away", "the page is trying again; what it shows may be out of date");
  if (!isThere && !model.isAway) model.since = Date.now();
  model.isAway = !isThere;
  model.touched.link = true;
  draw();
}

setInterval(() => {
  if (source && Date.now() - heardAt > SILENCE_MS) {
    contact(false);
    connect();
  }
}, 1000);
