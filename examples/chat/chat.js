// The page: who are you, what is said, and what has become of the connection.
import { connect } from "/wsverdict.js";

const $ = (id) => document.getElementById(id);
let me, token, socket;

async function login() {
  const response = await fetch(`login/${me}`, { method: "POST" });
  if (!response.ok) throw new Error(`login: ${response.status}`);
  token = await response.text();
}

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  me = $("user").value;
  token = undefined;
  const room = $("room").value;
  $("where").textContent = room;
  $("join").hidden = true;
  $("chat").hidden = false;
  $("text").focus();
  state("", "Connecting …");
  socket = connect(`${location.origin.replace(/^http/, "ws")}/rooms/${room}`, {
    protocols: "chat.v1",
    token: async () => {
      if (!token) await login();
      return token;
    },
    refresh: login,
    queue: 0, // what is said while nobody hears it stays in its field
  });
  socket.onmessage = ({ data }) => {
    const [, from, text] = /^([a-z]+): ([^]*)$/.exec(data);
    line(from === me ? "me" : "", element("b", from), text);
  };
  socket.onstatechange = ({ target: { state: is, outcome, retryAt } }) => {
    if (is === "open") state("open", `Connected as ${me}`);
    else if (is === "waiting") state("", `${because(outcome.slug)} Trying again in ${Math.ceil((retryAt - Date.now()) / 1000)} s …`);
    else if (is === "offline") state("", "You are offline.");
    else if (is === "closed") state("over", `${because(outcome.slug)} Trying again would not help.`);
    if (is === "waiting" || is === "closed") line("note", "closed: ", element("code", `${outcome.code} ${outcome.slug} ${outcome.action}`));
  };
});

// What people are told, by slug. The code and the action are for the program.
const REASONS = {
  banned: "You are banned.",
  maintenance: "The chat is under maintenance.",
  restart: "The server restarts.",
  rate_limited: "You came back too often.",
  token_expired: "Your token has expired.",
  too_many_connections: "You are here three times already.",
};
const because = (slug) => REASONS[slug] ?? "The connection is gone.";

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!$("text").value || socket.state !== "open") return;
  socket.send($("text").value);
  $("text").value = "";
});

$("leave").addEventListener("click", () => {
  socket.onstatechange = socket.onmessage = null;
  socket.close();
  $("lines").replaceChildren();
  $("chat").hidden = true;
  $("join").hidden = false;
  $("user").focus();
});

function state(kind, text) {
  $("state").dataset.kind = kind;
  $("state").textContent = text;
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

// line adds what goes in as text, and shows it if the end was in view.
function line(kind, ...parts) {
  const list = $("lines"), item = document.createElement("li");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  item.className = kind;
  item.append(...parts);
  list.append(item);
  while (list.children.length > 500) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}
