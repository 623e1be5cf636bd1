// The page's half at work: one connection, kept by the client that codes.Script serves, and what it does shown live.
import { connect } from "./wsverdict.js";

const section = document.querySelector("#client");
const story = section.querySelector("#story");
const again = section.querySelector("#again");
const run = `client.${Math.random().toString(36).slice(2)}`;
let token, socket;

async function newToken() {
  const response = await fetch("live/token?long", { method: "POST" });
  if (!response.ok) throw new Error(`token: ${response.status}`);
  token = await response.text();
}

function start() {
  again.hidden = true;
  socket = connect(`${location.origin.replace(/^http/, "ws")}/ws/second/lobby?run=${run}`, {
    protocols: ["echo.v1"],
    token: async () => { if (!token) await newToken(); return token; },
    refresh: newToken,
    stable: 1000,
    spread: 1500,
  });
  socket.addEventListener("statechange", show);
  socket.addEventListener("close", () => { again.hidden = false; });
  show();
}

function show() {
  const { state, outcome, retryAt } = socket;
  for (const item of section.querySelectorAll(".states li")) item.toggleAttribute("aria-current", item.dataset.state === state);
  const said = state !== "connecting" && state !== "open" && outcome ? `: ${outcome.code} ${outcome.slug || "without a reason"}, ${outcome.action}` : "";
  const wait = state === "waiting" ? `, again in ${Math.max(0, (retryAt - Date.now()) / 1000).toFixed(1)} s` : "";
  const line = document.createElement("li");
  line.textContent = `${state}${said}${wait}`;
  story.append(line);
  while (story.children.length > 12) story.firstChild.remove();
}

for (const button of section.querySelectorAll("[data-how]")) {
  button.addEventListener("click", () => fetch(`live/client/${button.dataset.how}?of=${run}`, { method: "POST" }));
}
again.addEventListener("click", start);
start();
