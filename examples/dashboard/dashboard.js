// The page: who are you, your company's figures, and what has become of the connection.
import { connect } from "/wsverdict/wsverdict.js";
import { refusal } from "/wsverdict/explain.js";

const $ = (id) => document.getElementById(id);
let me, tenant, by, token, socket;

// signIn has the issuer give out a new token, to this script or as a cookie.
async function signIn() {
  const response = await fetch(`/dev/sign-in/${me}?by=${by}`, { method: "POST" });
  if (!response.ok) throw new Error(`sign-in: ${response.status}`);
  token = await response.text();
}

const currentToken = async () => {
  if (!token) await signIn();
  return token;
};

// ticket gets one for each attempt. What it is refused with is obeyed as what the connection is closed with.
async function ticket() {
  const response = await fetch(`/t/${tenant}/ticket`, { method: "POST", headers: { authorization: `Bearer ${await currentToken()}` } });
  if (!response.ok) throw await refusal(response);
  return (await response.json()).ticket;
}

$("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  ({ user: me, tenant, by } = Object.fromEntries(new FormData($("enter"))));
  token = undefined;
  $("tenant").textContent = tenant;
  $("me").textContent = me.split("/")[1];
  $("enter").hidden = true;
  $("dashboard").hidden = false;
  state("", "Connecting …");
  const url = `${location.origin.replace(/^http/, "ws")}/t/${tenant}/ws`;
  const options = { protocols: "dashboard.v1", refresh: signIn, queue: 0 };
  if (by === "cookie") await signIn();
  if (by === "token") socket = connect(url, { ...options, token: currentToken });
  else if (by === "ticket") socket = connect((ticket) => `${url}?ticket=${ticket}`, { ...options, token: ticket });
  else socket = connect(url, options);
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    on[message.type]?.(message);
  };
  socket.onstatechange = ({ target: { state: is, outcome, retryAt } }) => {
    if (is === "waiting") state("", `${because(outcome.slug)} Trying again in ${Math.ceil((retryAt - Date.now()) / 1000)} s …`);
    else if (is === "offline") state("", "You are offline.");
    else if (is === "closed") state("over", `${because(outcome.slug)} Trying again would not help.`);
    if (is === "waiting" || is === "refreshing" || is === "closed") log("closed", outcome);
  };
});

// What the server says. What each means is in session.go.
const on = {
  welcome({ role, figures = {} }) {
    state("open", "Live");
    log("open");
    $("admin").hidden = role !== "admin";
    on.figures({ figures });
  },
  figures({ figures }) {
    for (const [name, value] of Object.entries(figures)) figure(name, value);
  },
  note({ user, text }) {
    line("notes", element("b", user), text);
  },
  async expiring() {
    await signIn();
    if (by !== "cookie") return socket.send(JSON.stringify({ type: "token", token }));
    const { expires_in } = await (await fetch(`/t/${tenant}/renew`, { method: "POST" })).json();
    on.renewed({ until: Date.now() + expires_in * 1000 });
  },
  renewed({ until }) {
    line("log", `renewed until ${new Date(until).toLocaleTimeString()}`);
  },
};

// What people are told, by slug. The code and the action are for the program.
const REASONS = {
  account_changed: "Your rights have changed.",
  banned: "You are banned.",
  maintenance: "The service is under maintenance.",
  rate_limited: "Too much at once.",
  restart: "The server restarts.",
  slow_consumer: "Your connection is too slow.",
  token_expired: "Your token has expired.",
  too_many_connections: "You are here three times already.",
  wrong_tenant: "These are not your company's figures.",
};
const because = (slug) => REASONS[slug] ?? "The connection is gone.";

$("note").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!$("text").value || socket?.state !== "open") return;
  socket.send(JSON.stringify({ type: "note", text: $("text").value }));
  $("text").value = "";
});

$("flood").addEventListener("click", () => {
  for (let i = 1; i <= 40 && socket?.state === "open"; i++) socket.send(JSON.stringify({ type: "note", text: `${i} of 40` }));
});

for (const [id, path] of [["ban", () => `bans/${$("whom").value}`], ["maintenance", () => "maintenance"]]) {
  $(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    const headers = by === "cookie" ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(`/admin/${path()}`, { method: event.submitter.value, headers });
    line("log", `${event.submitter.textContent}: ${response.ok ? "done" : (await response.json()).slug}`);
  });
}

$("leave").addEventListener("click", () => {
  socket.onstatechange = socket.onmessage = null;
  socket.close();
  for (const id of ["figures", "notes", "log"]) $(id).replaceChildren();
  $("dashboard").hidden = $("admin").hidden = true;
  $("enter").hidden = false;
});

function figure(name, value) {
  let card = document.querySelector(`.figure[data-name="${name}"]`);
  if (!card) {
    card = $("figure").content.firstElementChild.cloneNode(true);
    card.dataset.name = card.querySelector("h2").textContent = name;
    card.past = [];
    $("figures").append(card);
  }
  card.querySelector("p").textContent = value.toLocaleString("en");
  const past = card.past = [...card.past.slice(-30), value];
  const low = Math.min(...past), height = Math.max(...past) - low || 1;
  const points = past.map((v, i) => `${(100 * i) / (past.length - 1 || 1)},${28 - (26 * (v - low)) / height}`);
  card.querySelector("polyline").setAttribute("points", points.join(" "));
}

function state(kind, text) {
  $("state").dataset.kind = kind;
  $("state").textContent = text;
}

// log notes what has become of the connection, and, where it was closed, what the close frame said.
const log = (what, outcome) => line("log", `${what} `, element("code", outcome ? `${outcome.code} ${outcome.slug} ${outcome.action}` : ""));

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

// line adds what goes in as text, and shows it if the end was in view.
function line(id, ...parts) {
  const list = $(id), item = document.createElement("li");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  item.append(element("time", new Date().toLocaleTimeString("en-GB")), ...parts);
  list.append(item);
  while (list.children.length > 200) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}
