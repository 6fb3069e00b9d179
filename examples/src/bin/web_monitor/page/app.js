// The page's controls: filters, which stand in the address, pausing, and keys.

import { model } from "/model.js";
import { $, draw } from "/screen.js";
import { follow } from "/stream.js";

const FILTERS = ["user", "graph"];

function query() {
  const wanted = new URLSearchParams();
  for (const name of FILTERS) if ($(name).value.trim()) wanted.set(name, $(name).value.trim());
  return wanted.size ? `?${wanted}` : "";
}

let typing = 0;
function filterChanged() {
  clearTimeout(typing);
  typing = setTimeout(() => {
    history.replaceState(null, "", location.pathname + query());
    follow(query(), draw);
  }, 150);
}

function clearFilters() {
  $("user").value = $("graph").value = "";
  filterChanged();
}

function togglePause() {
  model.isPaused = !model.isPaused;
  $("pause").setAttribute("aria-pressed", model.isPaused);
  $("pause").textContent = model.isPaused ? "Go on" : "Pause";
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
for (const name of FILTERS) $(name).value = asked.get(name) ?? "";
follow(query(), draw);
draw();
