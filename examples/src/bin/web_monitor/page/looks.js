// How things look and what they are called: each state has an icon and a word; colour comes on top. An icon is one path,
// since there are a thousand.

export const number = new Intl.NumberFormat("en");
export const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });

export const ICON = {
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
export const lookOf = (status) => STATUS[status] ?? ["wait", "ask", status ?? "Not known yet"];

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
export const noticeLook = (kind) => NOTICE[kind] ?? ["warn", "warn", kind];

export const LINK = {
  connecting: ["wait", "Connecting"],
  live: ["live", "Live"],
  interrupted: ["cut", "Interrupted"],
  offline: ["cut", "No contact"],
  ended: ["stop", "Ended"],
};
