// What the page does in each test. A scenario gets its arguments and a function that tells the test how far it is.
import { connect } from "/wsverdict/wsverdict.js";
import { explain } from "/wsverdict/explain.js";
import { connect as connectRenewing } from "/wsverdict/renewal.js";
import { tabs } from "/wsverdict/tabs.js";

/** Every state that a connection was in, with what its outcome was, in milliseconds from the start. */
function record(socket) {
  const began = performance.now(), states = [];
  socket.addEventListener("statechange", () => {
    const { code, slug, action, refused } = socket.outcome ?? {};
    states.push({ state: socket.state, at: performance.now() - began, code, slug, action, refused });
  });
  return states;
}

const until = (socket, state) => new Promise((resolve) => {
  const look = () => socket.state == state && resolve();
  socket.addEventListener("statechange", look);
  look();
});

/** Connects until it is admitted, or over. */
export async function act({ url, options }) {
  let refreshed = 0, opens = 0;
  const socket = connect(url, { protocols: ["chat.v1"], refresh: () => refreshed++, ...options });
  const states = record(socket);
  socket.addEventListener("open", () => opens++);
  await new Promise((resolve) => (socket.onmessage = socket.onclose = resolve)); // open alone would say nothing
  socket.close();
  return { states, refreshed, opens };
}

/** Stays connected until it was open so many times, and tells each time. */
export async function stay({ url, opens, options }, tell) {
  const socket = connect(url, { protocols: ["chat.v1"], ...options });
  const states = record(socket);
  for (let i = 0; i < opens; i++) {
    await until(socket, "open");
    if (i < opens - 1) {
      const away = new Promise((resolve) => socket.addEventListener("statechange", resolve, { once: true }));
      await tell("open");
      await away;
    }
  }
  socket.close();
  return { states };
}

/** Says numbers all the time, and hears them all again, while its token ends and is replaced. */
export async function renew({ url, tokens, replacements, inPlace }) {
  const fetchToken = async () => (await fetch(tokens)).json(); // { token, expires }
  let current = await fetchToken(), refreshed = 0;
  const refresh = async () => {
    current = await fetchToken();
    refreshed++;
  };
  const socket = (inPlace ? connectRenewing : connect)(url, {
    protocols: ["chat.v1"],
    token: () => current.token,
    refresh,
    stable: 500, // these tokens live shorter than a connection is stable
    ...(inPlace && { expires: () => current.expires, renew: (token) => "token " + token }),
  });
  const states = record(socket);
  let heard = 0, sent = 0, lost = 0, twice = 0;
  socket.addEventListener("lost", ({ messages }) => (lost += messages.length));
  await until(socket, "open");
  // One number is under way at a time, and said again only on another connection: the server's answer is its receipt.
  for (let opens = 0; refreshed < replacements || heard < sent; ) {
    const number = String(sent++);
    for (let answered = false; !answered; ) {
      await until(socket, "open");
      const answer = new Promise((resolve) => {
        const stop = new AbortController();
        socket.addEventListener("message", ({ data }) => data == number && (stop.abort(), resolve(true)), stop);
        socket.addEventListener("statechange", () => (stop.abort(), resolve(false)), stop);
      });
      socket.send(number);
      answered = await answer;
      if (!answered) twice++;
    }
    heard++;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  socket.close();
  return { states, sent, heard, lost, twice, refreshed };
}

/** Opens many, and tells when they are open. They end, and come back: when, in milliseconds from the first end. */
export async function crowd({ url, many, options }, tell) {
  const sockets = Array.from({ length: many }, () => connect(url, { protocols: ["chat.v1"], ...options }));
  await Promise.all(sockets.map(({ ready }) => ready));
  let first;
  const away = sockets.map((socket) => new Promise((resolve) => {
    socket.onstatechange = () => {
      first ??= performance.now();
      socket.onstatechange = null;
      resolve(socket.retryAt - performance.timeOrigin);
    };
  }));
  await tell("open");
  const attempts = (await Promise.all(away)).map((at) => at - first);
  const back = await Promise.all(sockets.map(async (socket) => {
    await socket.ready;
    return performance.now() - first;
  }));
  sockets.forEach((socket) => socket.close());
  return { attempts, back };
}

/** Tries for so long. */
export async function knock({ url, lasts, options }) {
  const socket = connect(url, { protocols: ["chat.v1"], ...options });
  let attempts = 0;
  socket.addEventListener("statechange", () => (attempts += socket.state == "connecting"));
  await new Promise((resolve) => setTimeout(resolve, lasts));
  socket.close();
  return { attempts: attempts + 1 }; // the first one's state was there from the start
}

/** Is told why by HTTP. */
export async function why({ url, asks, options }) {
  const socket = connect(url, { protocols: ["chat.v1"], explain: explain(asks), ...options });
  const states = record(socket);
  await until(socket, "closed");
  return { states };
}

/** Runs a scenario in a worker. */
export async function worker(task) {
  const worker = new Worker("worker.js", { type: "module" });
  const said = () => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
  await said();
  worker.postMessage(task);
  const result = await said();
  worker.terminate();
  return result;
}

/** Frames stand for tabs: each has its own connection, and its own token. All are told to refresh, in the same moment; somebody looks at one. */
export async function family({ url, many }, tell) {
  const frames = await Promise.all(Array.from({ length: many }, async () => {
    const frame = document.createElement("iframe");
    frame.src = "/tab.html";
    document.body.append(frame);
    await new Promise((resolve) => (frame.onload = resolve));
    return frame;
  }));
  const opened = await Promise.all(frames.map(({ contentWindow }, i) => contentWindow.ready.then((tab) => tab.open(url, i == many - 1))));
  await tell("open");
  const refreshes = await Promise.all(opened.map((tab) => tab.reopened()));
  frames.forEach((frame) => frame.remove());
  return { refreshes };
}

/** One tab of a family. */
export function tab() {
  let socket, refreshed = 0, token = "old", at;
  class Timed extends WebSocket {
    constructor(...args) {
      super(...args);
      at = performance.timeOrigin + performance.now();
    }
  }
  return {
    async open(url, visible) {
      Object.defineProperty(document, "visibilityState", { value: visible ? "visible" : "hidden" });
      socket = connect(url, {
        WebSocket: Timed,
        protocols: ["chat.v1"],
        token: () => token,
        refresh: async () => {
          refreshed++;
          await new Promise((resolve) => setTimeout(resolve, 100));
          return (token = "new");
        },
        tabs: tabs("family", { gap: 100, refreshed: (value) => (token = value) }),
      });
      await socket.ready;
      return this;
    },
    async reopened() {
      await until(socket, "connecting").then(() => socket.ready);
      socket.close();
      return { refreshed, token, visible: document.visibilityState == "visible", at };
    },
  };
}

/** What a WebSocket alone sees, that offers the marker. */
export async function bare({ url, protocols }) {
  const socket = new WebSocket(url, protocols);
  const opened = await new Promise((resolve) => (socket.onopen = socket.onclose = ({ type }) => resolve(type == "open" ? socket.protocol : null)));
  const closed = new Promise((resolve) => (socket.onclose = resolve));
  const heard = new Promise((resolve) => (socket.onmessage = resolve)).then(() => socket.close());
  await Promise.race([closed, heard]);
  const { code, reason, wasClean } = await closed;
  return { opened, code, reason, wasClean };
}

/** Queues, connects, and writes down what goes into which socket. */
export async function queue({ url, options }) {
  const sent = [];
  class Watched extends WebSocket {
    send(data) {
      sent.push({ protocol: this.protocol, data });
      super.send(data);
    }
  }
  const socket = connect(url, { protocols: ["chat.v1"], WebSocket: Watched, ...options });
  let opens = 0, lost = [];
  socket.onopen = () => opens++;
  socket.onlost = ({ messages }) => (lost = lost.concat(messages));
  socket.send("queued");
  const ready = await socket.ready.then(() => "open", (why) => (why === socket.outcome ? why.slug : "another outcome"));
  socket.close();
  return { ready, refused: socket.outcome?.refused ?? null, opens, sent, lost };
}

/** A server that is not of this library: until it says something, ends it, or has the page wait. */
export async function elsewhere({ url, user, newUser }) {
  let who = user;
  const socket = connect((token) => `${url}?user=${token}`, { token: () => who, refresh: () => (who = newUser) });
  const states = record(socket);
  await new Promise((resolve) => {
    socket.onmessage = resolve;
    socket.onstatechange = () => ["closed", "waiting"].includes(socket.state) && resolve();
  });
  const { retryAt, outcome } = socket, wait = retryAt - Date.now();
  socket.close();
  return { states, wait, after: outcome?.after };
}

/** Opens a tab of its own, which has no opener: only such a page may go into the back/forward cache. It tells the rest. */
export function leave({ url, away }) {
  open(`/leaving.html?${new URLSearchParams({ url, away })}`, "_blank", "noopener");
}
