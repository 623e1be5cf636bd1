// Presses the cases: each one opens its connections and gathers what the script saw and what the server reports.
import { attempt, parseReason } from "./attempt.js";
import { show, showEnded, showVerdict, showWire } from "./show.js";

const page = Math.random().toString(36).slice(2);
const status = document.querySelector("#status");
const items = [...document.querySelectorAll(".case")];
const runs = new Map(); // what the server reported, by run
let count = 0;

const events = new EventSource(`events?page=${page}`);
const ready = new Promise((resolve) => events.addEventListener("ready", resolve, { once: true }));
events.addEventListener("ready", () => { status.textContent = "Ready. What is grey and in italics is what a case will show."; });
events.addEventListener("error", () => { status.textContent = "The server does not answer. Is it running?"; });
events.addEventListener("message", ({ data }) => {
  const { run, ...news } = JSON.parse(data);
  runs.get(run)?.(news);
});

// reports resolves once the server has told everything about a run, and shows what there is until then.
function reports(run, panel) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the server reported nothing in 30 seconds")), 30_000);
    const known = {};
    runs.set(run, ({ verdict, wire, ended }) => {
      if (verdict) showVerdict(panel, known.verdict = verdict);
      if (wire) showWire(panel, known.wire = wire);
      if (ended) showEnded(panel, known.ended = ended);
      const closed = known.wire?.frames?.some((frame) => frame.close);
      const over = { answered: true, closed, admitted: closed && known.ended }[known.verdict?.outcome];
      if (known.wire?.head && over) {
        clearTimeout(timer);
        resolve(known);
      }
    });
  }).finally(() => runs.delete(run));
}

// Who sends a case's request, and what its script column then says.
const senders = {
  async script({ path, token, id }, form, run) {
    const protocols = token ? ["echo.v1", "bearer", token] : ["echo.v1"];
    const url = `${location.origin.replace(/^http/, "ws")}/ws/${form}${path}?visitor=${run}`;
    if (id === "rate-limited") await attempt(url, protocols);
    return socketView(await attempt(`${url}&run=${run}`, protocols));
  },

  // live stays until it is ended: by a request of this page's, or because its token runs out.
  async live({ path, token, ends }, _, run) {
    token ||= await post("live/token");
    const url = `${location.origin.replace(/^http/, "ws")}${path}?run=${run}`;
    return socketView(await attempt(url, ["echo.v1", "bearer", token], () => ends && post(`live/${ends}?of=${run}`)));
  },

  async foreign({ path, token }, _, run) {
    const other = new URL("foreign.html", location);
    other.hostname = location.hostname === "localhost" ? "127.0.0.1" : "localhost";
    const seen = await ask(other, { path: `/ws/close${path}?run=${run}`, protocols: ["echo.v1", "bearer", token] });
    return { origin: other.origin, ...socketView(seen) };
  },

  async server(_, __, run) {
    const response = await fetch(`wrong-version?of=${run}`, { method: "POST" });
    if (!response.ok) throw new Error(await response.text());
    const { status, version } = await response.json();
    return { sent: "by a client in the server", status, "speaks version": version };
  },

  async fetch({ path, token }, _, run) {
    const response = await fetch(`ws/close${path}?run=${run}`, { headers: { Authorization: `Bearer ${token}` } });
    const problem = await response.json();
    return { status: `${response.status} ${response.statusText}`, slug: problem.slug, action: problem.action, detail: problem.detail };
  },
};

function socketView({ open, message, code, reason, wasClean }) {
  return {
    open: open ? "yes" : "no",
    ...(message !== undefined && { message }),
    code, reason: JSON.stringify(reason), wasClean: wasClean ? "true" : "false",
    ...parseReason(reason),
  };
}

async function post(url) {
  const response = await fetch(url, { method: "POST" });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.text();
}

// ask has a hidden frame of another origin carry out a request.
async function ask(url, request) {
  const frame = document.createElement("iframe");
  frame.hidden = true;
  const heard = () => new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`${url.origin} does not answer`)), 30_000);
    addEventListener("message", function listen({ source, origin, data }) {
      if (source !== frame.contentWindow || origin !== url.origin) return;
      removeEventListener("message", listen);
      resolve(data);
    });
  });
  try {
    const loaded = heard();
    frame.src = url;
    document.body.append(frame);
    await loaded;
    const answer = heard();
    frame.contentWindow.postMessage(request, url.origin);
    return await answer;
  } finally {
    frame.remove();
  }
}

async function press(item) {
  if (item.dataset.state === "running") return;
  item.dataset.state = "running";
  const test = JSON.parse(item.dataset.case);
  const panels = [...item.querySelectorAll(".panel")];
  try {
    await ready;
    await Promise.all(panels.map(async (panel) => {
      const run = `${page}.${++count}`;
      const [{ verdict }, script] = await Promise.all([
        reports(run, panel),
        senders[test.by](test, panel.dataset.form, run),
      ]);
      show(item, panel, verdict, script);
    }));
    item.dataset.state = "done";
  } catch (error) {
    item.dataset.state = "failed";
    status.textContent = `${test.title}: ${error.message}`;
    return;
  }
  item.querySelector(".more").hidden = false;
  const results = [...item.querySelectorAll(".result")].map((result) => result.textContent.trim());
  status.textContent = results.length === 2
    ? `${test.title}: with a close frame ${results[0]}; with a status ${results[1]}.`
    : `${test.title}: ${results[0]}.`;
}

function open(item, wanted) {
  item.querySelector(".details").hidden = !wanted;
  item.querySelector(".more").setAttribute("aria-expanded", wanted);
}

for (const item of items) {
  item.querySelector(".run").addEventListener("click", async () => {
    await press(item);
    open(item, item.dataset.state === "done");
  });
  const more = item.querySelector(".more");
  more.addEventListener("click", () => open(item, more.getAttribute("aria-expanded") === "false"));
}

document.querySelector("#all").addEventListener("click", async () => {
  for (const item of items) await press(item);
  const done = items.filter((item) => item.dataset.state === "done").length;
  status.textContent = `${done} of ${items.length} cases have run.`;
});
