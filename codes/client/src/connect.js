import { once } from "./once.js";
import { outbox } from "./outbox.js";
import { outcome, REFUSED } from "./outcome.js";

/** @import { Address, Close, Connection, Data, Options, Outcome, State } from "./types.js" */

const ADMITTED = "wsverdict.v1"; // stands for "no subprotocol" where only the marker was wanted
const LONGEST = 2 ** 31 - 1; // setTimeout takes more for 0

const DEFAULTS = { queue: 65536, buffer: 1000, backoff: 1000, cap: 60000, spread: 3000, stable: 10000, timeout: 20000 };

/**
 * Opens a connection and keeps it, doing what the server's close codes say. It is a state machine; its table is in docs/client.md.
 *
 * @param {Address} address
 * @param {Options} [options]
 * @returns {Connection}
 */
export function connect(address, options) {
  const o = { ...DEFAULTS, ...options };
  const over = new AbortController();
  /** @type {State} */
  let state = "connecting";
  /** The state's number. Whoever awaited something compares it: what was begun in another state is of the past. */
  let turn = 0;
  /** @type {Outcome | undefined} */
  let last;
  /** @type {WebSocket | undefined} */
  let socket;
  /** While open: what the socket was given. @type {ReturnType<typeof outbox> | undefined} */
  let sent;
  /** @type {Data[]} */
  const queue = [];
  let queued = 0;
  /** @type {BinaryType} */
  let binaryType = "blob";
  /** What the page closed it with. @type {Close | undefined} */
  let closing;
  /** The state's own: an attempt's end, a wait's, or the moment when a connection is stable. @type {any} */
  let timer;
  /** @type {any} */
  let renewal;
  // These count from the last stable connection.
  let waits = 0, unopened = 0, refreshed = false, woken = false;
  /** What follows the wait, when, and whether a wake may cut it: only where the network failed, and no server said when to come back. */
  let next = attempt, retryAt = 0, cuttable = true;
  /** @type {string | undefined} */
  let token;
  let asked = 0;

  const self = /** @type {Connection} */ (/** @type {unknown} */ (new (class extends EventTarget {
    get state() { return state; }
    get outcome() { return last; }
    get retryAt() { return retryAt; }
    get url() { return socket?.url ?? ""; }
    get protocol() { return socket?.protocol.replace(ADMITTED, "") ?? ""; }
    get extensions() { return socket?.extensions ?? ""; }
    get readyState() { return /** @type {0 | 1 | 2 | 3} */ (["open", "closing", "closed"].indexOf(state) + 1); }
    get bufferedAmount() { return queued + (socket?.bufferedAmount ?? 0); }
    get binaryType() { return binaryType; }
    set binaryType(type) {
      binaryType = type;
      if (socket) socket.binaryType = type;
    }
    get ready() {
      return new Promise((resolve, reject) => {
        const look = () => {
          if (state == "open") resolve(self);
          else if (state == "closed") reject(last);
          else self.addEventListener("statechange", look, { once: true });
        };
        look();
      });
    }
    /** @param {Data} data */
    send(data) {
      const over = closing || state == "closed";
      if (sent && !over) return sent.send(data);
      const size = new Blob([/** @type {BlobPart} */ (data)]).size;
      if (over || queued + size > o.queue) throw new DOMException("no connection", "InvalidStateError");
      queue.push(data);
      queued += size;
    }
    close(code = 1000, reason = "") {
      if (closing || state == "closed") return;
      const open = sent;
      socket?.close(code, reason); // throws for what no page may send
      if (!open) socket = undefined;
      closing = { code, reason, wasClean: true };
      begin("closing");
      // Before there is a connection nobody has to agree.
      timer = setTimeout(() => ended(open ? null : closing), open && o.timeout);
    }
    async *[Symbol.asyncIterator]() {
      /** @type {Event[]} */
      const waiting = [], done = new AbortController();
      /** @type {((value?: unknown) => void) | undefined} */
      let wake;
      /** @param {Event} event */
      const take = (event) => {
        waiting.push(event);
        wake?.();
      };
      self.addEventListener("message", take, done);
      self.addEventListener("close", take, done);
      try {
        for (;;) {
          if (waiting.length > o.buffer) throw new RangeError("too far behind");
          const event = waiting.shift();
          if (event?.type == "message") yield /** @type {MessageEvent} */ (event);
          else if (state == "closed") return;
          else await new Promise((resolve) => (wake = resolve));
        }
      } finally {
        done.abort();
      }
    }
  })()));

  /**
   * @param {string} type
   * @param {object} [fields]
   */
  const emit = (type, fields) => self.dispatchEvent(Object.assign(new Event(type), fields));

  /**
   * Enters a state. What the one before had under way is of the past.
   *
   * @param {State} to
   * @returns whether it is still this state: a handler may have closed
   */
  function begin(to, until = 0) {
    clearTimeout(timer);
    state = to;
    retryAt = until;
    const is = still();
    emit("statechange");
    return is;
  }

  const still = (mine = ++turn) => () => mine == turn;

  async function attempt() {
    next = attempt;
    cuttable = true;
    if (offline()) return rest(0);
    const current = begin("connecting");
    try {
      await o.tabs?.turn();
      if (!current()) return;
      timer = setTimeout(ended, o.timeout);
      await ask();
      if (Number(o.expires?.(token)) <= Date.now() && current()) {
        await refresh();
        await ask();
      }
    } catch (error) {
      if (current()) ended({ error });
    }
    if (!current()) return;
    try {
      let offer = [call(o.protocols, token) ?? []].flat();
      if (token && !callable(address) && !callable(o.protocols)) offer.push("bearer", token);
      if (o.marker && !offer[0]) offer = [ADMITTED];
      if (o.marker != false && offer[0]) offer.push(REFUSED);
      const { WebSocket = globalThis.WebSocket } = o;
      listen(new WebSocket(call(address, token), offer), offer.includes(REFUSED));
    } catch (raw) {
      finish({ ...outcome(), action: "stop", raw }); // a mistake: no attempt would be any better
    }
  }

  /**
   * @param {WebSocket} ws
   * @param {boolean} marked whether a refusal would show at `open`
   */
  function listen(ws, marked) {
    let admitted = false;
    socket = ws;
    ws.binaryType = binaryType;
    ws.onerror = () => {};
    ws.onclose = (event) => ws == socket && ended(event, admitted);
    ws.onmessage = ({ data, origin }) => {
      if (ws != socket) return;
      admitted = true;
      sent?.trust();
      self.dispatchEvent(new MessageEvent("message", { data, origin }));
    };
    ws.onopen = () => {
      unopened = 0;
      // A refusal waits for its close frame, and nothing goes into it.
      if (ws != socket || closing || ws.protocol == REFUSED) return;
      admitted = marked;
      sent = outbox(ws, o.queue, o.timeout, ended);
      if (marked) sent.trust();
      const current = begin("open");
      if (!current()) return;
      timer = setTimeout(() => {
        waits = 0;
        refreshed = woken = false;
      }, o.stable);
      plan(current);
      emit("open"); // its handlers speak first: a greeting, a token
      if (current()) flush().map(sent.send);
    };
  }

  const flush = () => {
    queued = 0;
    return queue.splice(0);
  };

  /**
   * A connection, or an attempt, is over.
   *
   * @param {Close | null} [close]
   * @param {boolean} [admitted]
   */
  async function ended(close, admitted) {
    const current = still(), gone = socket, given = sent?.end();
    clearTimeout(timer);
    clearTimeout(renewal);
    socket = sent = undefined;
    gone?.close();
    if (given?.messages.length || (given?.handed && !close?.wasClean)) emit("lost", given);

    let why = outcome(close, { profile: o.profile, admitted });
    if (closing) return finish({ ...why, action: "stop" });
    if (why.code == 1006 && !given && ++unopened == 3) {
      try {
        why = (await o.explain?.(token, over.signal)) ?? why;
      } catch {} // nobody knows
      if (!current()) return;
    }
    last = why;
    if (why.action == "backoff") wait(o.backoff);
    else if (why.action == "reconnect") wait(o.spread);
    else if (why.action == "refresh" && !refreshed && (o.refresh || o.token)) refreshing();
    else finish(why);
  }

  async function refreshing() {
    const current = begin("refreshing");
    try {
      await refresh();
    } catch {
      if (current()) wait(o.backoff, 0, refreshing);
    }
    if (!current()) return;
    refreshed = true;
    if (last?.after) wait(o.spread);
    else attempt();
  }

  /** One call at a time, of all connections that have the same function. */
  const refresh = async () => {
    const run = () => o.refresh?.(last);
    if (o.refresh) await once(o.refresh, () => (o.tabs ? o.tabs.refresh(run, asked) : run()));
  };

  const ask = async () => {
    asked = Date.now();
    token = await once(self, () => o.token?.());
  };

  /**
   * Gives the server a new token over the live connection, before the old one ends.
   *
   * @param {() => boolean} current
   */
  function plan(current) {
    const { renew } = o, left = Number(o.expires?.(token)) - Date.now();
    const early = Math.min(Math.max(left / 2, left - 60000), LONGEST);
    if (!renew || !(left > 1000)) return;
    renewal = setTimeout(async () => {
      try {
        await refresh();
        if (current()) await ask();
        if (current()) sent?.send(renew(token));
      } catch {} // and again, when half of the time that is left has passed
      if (current()) plan(current);
    }, early);
  }

  function wait(base = 0, after = last?.after ?? 0, then = attempt) {
    next = then;
    cuttable = last?.code == 1006;
    rest(Date.now() + after * 1000 + Math.random() * Math.min(o.cap, base * 2 ** waits++));
  }

  /** @param {number} until */
  function rest(until) {
    const off = offline(), current = begin(off ? "offline" : "waiting", until);
    const sleep = () => {
      const left = until - Date.now();
      if (current() && !off) timer = setTimeout(left > LONGEST ? sleep : next, Math.min(left, LONGEST));
    };
    sleep();
  }

  /** @param {any} event */
  function page({ type, persisted }) {
    const wakes = type == "online" || persisted;
    // Chromium closes a page's sockets when it enters the back/forward cache, and may tell only after pageshow.
    if (socket && !closing && (type == "offline" || (persisted && socket.readyState > 1))) ended();
    if (state == "offline" ? type == "online" && !cuttable : state == "waiting" && type == "offline") rest(retryAt);
    else if (cuttable && (state == "waiting" || (state == "offline" && type == "online"))) {
      const seen = type == "visibilitychange" && !woken && document.visibilityState == "visible";
      if (seen) woken = true;
      if (seen || wakes) next();
    }
  }

  /** @param {Outcome} why */
  function finish(why) {
    last = why;
    over.abort();
    const messages = flush();
    if (messages.length) emit("lost", { messages, handed: 0 });
    begin("closed");
    emit("close", { code: why.code, reason: /** @type {Close} */ (why.raw)?.reason ?? "", wasClean: why.clean, outcome: why });
  }

  for (const type of ["open", "message", "lost", "statechange", "close", "error"]) {
    const on = /** @type {"onopen"} */ ("on" + type);
    self[on] = null;
    self.addEventListener(type, (event) => self[on]?.(event));
  }
  for (const type of ["online", "offline", "pageshow", "visibilitychange"]) globalThis.addEventListener?.(type, page, over);
  o.signal?.addEventListener("abort", () => self.close(), over);
  o.signal?.aborted ? self.close() : attempt();
  return self;
}

/** Whether the browser is sure that there is no network. */
const offline = () => globalThis.navigator?.onLine === false;

/** @param {unknown} value */
const callable = (value) => typeof value == "function";

/**
 * @template T
 * @param {T | ((token: string | undefined) => T)} value
 * @param {string | undefined} token
 * @returns {T}
 */
const call = (value, token) => (callable(value) ? /** @type {Function} */ (value)(token) : value);
