import { once, refreshOnce } from "./once.js";
import { brief, judge, REFUSED } from "./outcome.js";

/** @import { Address, Close, Connection, Data, Options, Outcome, State } from "./types.js" */

const ADMITTED = "wsverdict.v1"; // stands for "no subprotocol" where only the marker was wanted

/**
 * Opens a connection and keeps it, doing what the server's close codes say. It is a loop that attempts, and then waits, refreshes or ends, as
 * the outcome says; the table of its states is in docs/client.md.
 *
 * @param {Address} address
 * @param {Options} [options]
 * @returns {Connection}
 */
export function connect(address, {
  marker, token: asks, signal, protocols, tabs, explain, refresh, profile = brief,
  timeout = 20000, spread = 3000, stable = 10000, buffer = 1000, backoff = 1000, cap = 60000, queue = 65536,
  WebSocket: Socket = WebSocket,
} = {}) {
  const over = new AbortController();
  /** The WebSocket of the attempt that is under way, or of what came of it. @type {any} */
  let socket;
  /** @type {BinaryType} */
  let binaryType = "blob";
  /** What waits for a connection. @type {Data[]} */
  const queued = [];
  let bytes = 0;
  /** Of what the socket was given: what may not have left, how many messages, how many bytes. @type {Data[]} */
  let given = [];
  let handed = 0, total = 0;
  /** Whether the server has let the connection in. */
  let admitted = false;
  /** Since when it is open. @type {any} */
  let since;
  /** What `next` has promised. @type {((value?: unknown) => void)[]} */
  const awaited = [];
  /** What the page closed it with. @type {Close | undefined} */
  let closing;
  /** Ends the step that the loop awaits. One of an earlier step does nothing. @type {(event?: any) => void} */
  let cut;
  /** Ends a wait. @type {typeof cut | undefined} */
  let wake;
  /** The return from the back/forward cache, until the wait that it cuts. @type {any} */
  let back;
  /** @type {any} */
  let timer;
  // These count from the last stable connection; unopened from the last that opened.
  let waits = 0, refreshed = false, woken = false, unopened = 0;
  /** @type {string | undefined} */
  let token;
  let asked = 0;

  const self = /** @type {any} */ (new (class extends EventTarget {
    state = "connecting";
    retryAt = 0;
    get protocol() { return socket?.protocol.replace(ADMITTED, "") ?? ""; }
    get url() { return socket?.url ?? ""; }
    get readyState() { return ["open", "closing", "closed"].indexOf(self.state) + 1; }
    get bufferedAmount() { return bytes + (socket?.bufferedAmount ?? 0); }
    get binaryType() { return binaryType; }
    set binaryType(type) {
      binaryType = type;
      if (socket) socket.binaryType = type;
    }
    get ready() {
      return (async () => {
        for (; self.state != "open"; await next()) if (self.state == "closed") throw self.outcome;
        return self;
      })();
    }
    /** @param {Data} data */
    send(data) {
      if (self.state == "open" && socket?.readyState == 1) return give(data); // else the browser throws it away
      const size = new Blob([/** @type {BlobPart} */ (data)]).size;
      if (self.readyState > 1 || bytes + size > queue) throw new DOMException("not open", "InvalidStateError");
      queued.push(data);
      bytes += size;
    }
    close(code = 1000, reason = "") {
      const open = self.readyState;
      if (open > 1) return;
      socket?.close(code, reason); // throws for what no page may send
      closing = { code, reason, wasClean: true };
      enter("closing", timeout);
      if (!open) cut?.(closing); // before there is a connection nobody has to agree
    }
    async *[Symbol.asyncIterator]() {
      /** @type {MessageEvent[]} */
      const waiting = [];
      /** @param {MessageEvent} event */
      const take = (event) => waiting.length > buffer || waiting.push(event);
      self.addEventListener("message", take);
      try {
        while (waiting.length <= buffer) {
          if (waiting[0]) yield waiting.shift();
          else if (self.state == "closed") return;
          else await next();
        }
        throw new RangeError("behind");
      } finally {
        self.removeEventListener("message", take);
      }
    }
  })());

  /** Resolves after the next event. */
  const next = () => new Promise((resolve) => awaited.push(resolve));

  /**
   * @param {Event} event
   * @param {object} [fields]
   */
  const emit = (event, fields) => {
    self.dispatchEvent(Object.assign(event, fields));
    awaited.splice(0).map((resolve) => resolve());
  };

  /**
   * Enters a state, with its timer if it has one.
   *
   * @param {State} state
   * @param {number} [most] after how many milliseconds it is over
   */
  function enter(state, most, then = cut) {
    clearTimeout(timer);
    timer = most && setTimeout(then, most);
    if (self.state == state) return;
    self.state = state;
    emit(new Event("statechange"));
  }

  /**
   * One step of the loop: awaits what `begin` starts, or what cuts it short. Once the page has closed, there is no next.
   *
   * @param {() => any} begin
   */
  async function step(begin) {
    const event = await Promise.race([new Promise((resolve) => (cut = resolve)), closing ?? begin()]);
    if (closing) throw event;
    return event;
  }

  /** The machine. What it throws is the final outcome, or what that is made of. */
  async function run() {
    for (;;) {
      await rest();
      await step(turn);
      await rest(); // it may be offline by now
      let end = await step(attempt);
      drop(end);
      let why = end?.action ? end : judge(end, profile, admitted); // a hook may throw an outcome
      if (++unopened == 3 && why.code == 1006) {
        await step(() => failure(async () => (why = (await explain?.(token, over.signal)) ?? why)));
      }
      self.outcome = why;
      const { action, after } = why;
      if (action == "refresh" && !refreshed && (refresh || asks)) {
        while ((end = await step(refreshing))) {
          if (end.action == "stop") throw end;
          later(backoff);
          await rest();
        }
        refreshed = true;
        if (!after) continue;
      } else if (action == "stop" || action == "refresh") throw why;
      later(action == "backoff" ? backoff : spread, after);
    }
  }

  /** Waits for its turn among the tabs. */
  const turn = () => failure(async () => {
    enter("connecting");
    await tabs?.turn();
  });

  /** @returns what its end is made of: a close event, or the error of a hook */
  async function attempt() {
    const mine = cut;
    enter("connecting", timeout);
    const failed = await failure(async () => {
      token = await once(self, () => asks?.());
      asked = Date.now();
    });
    if (failed || cut != mine || closing) return failed;
    /** @param {any} value */
    const call = (value) => (value?.call ? value(token) : value);
    const url = call(address), own = call(protocols), offer = [own ?? []].flat();
    if (token && url == address && own == protocols) offer.push("bearer", token);
    if (marker ?? offer[0]) {
      offer[0] ??= ADMITTED;
      offer.push(REFUSED);
    }
    const ws = (socket = new Socket(url, offer));
    admitted = false;
    ws.binaryType = binaryType;
    ws.onmessage = (/** @type {any} */ event) => {
      if (ws != socket) return;
      admitted = true;
      emit(new MessageEvent("message", event));
    };
    ws.onopen = () => {
      unopened = -1;
      // A refusal waits for its close frame, and nothing goes into it.
      if (ws != socket || ws.protocol == REFUSED) return;
      admitted = offer.includes(REFUSED);
      since = Date.now();
      enter("open", timeout, look);
      if (self.state != "open") return; // a handler has closed
      emit(new Event("open")); // its handlers speak first: a greeting, a token
      bytes = 0;
      queued.splice(0).map(give);
    };
    return new Promise((resolve) => {
      ws.onclose = (/** @type {CloseEvent} */ event) => resolve(event.code ? event : { error: event }); // Deno has 0 for 1006
      ws.onerror = (/** @type {Event} */ event) => ws.readyState || resolve(event); // of Node 22: no close comes after it
    });
  }

  /**
   * Looks whether bytes move.
   *
   * @param {number} [before] how many had left at the last look, if some had not
   */
  function look(before) {
    const { bufferedAmount } = socket, left = total - bufferedAmount;
    if (bufferedAmount && left == before) cut();
    timer = setTimeout(look, timeout, bufferedAmount ? left : -1);
  }

  /** @param {Data} data */
  function give(data) {
    forget();
    total -= socket.bufferedAmount;
    socket.send(data);
    total += socket.bufferedAmount; // its size, as the socket counts
    handed++;
    given.push(data);
  }

  /** What has left is not in doubt, once the server has admitted the connection: before, it may have refused all the while. */
  const forget = () => {
    if (!socket.bufferedAmount && (admitted || lasted())) given = [];
  };

  /** Whether the connection is stable. */
  const lasted = () => Date.now() - since >= stable;

  /**
   * Lets go of the socket, and tells what may be lost.
   *
   * @param {Close} [end]
   */
  function drop(end) {
    if (!socket) return;
    forget();
    socket.close();
    if (lasted()) {
      waits = 0;
      refreshed = woken = false;
    }
    if (given.length || (handed && !(closing && end?.wasClean))) emit(new Event("lost"), { messages: given, handed });
    given = [];
    handed = total = 0;
    socket = since = undefined;
  }

  /** Resolves with an error if it failed. */
  const refreshing = () => failure(async () => {
    enter("refreshing");
    await refreshOnce(refresh, self.outcome, tabs, asked);
  });

  /**
   * Decides when to come back.
   *
   * @param {number} base
   */
  function later(base, after = 0) {
    self.retryAt = Date.now() + after * 1000 + Math.random() * Math.min(cap, base * 2 ** waits++);
  }

  /** Waits until `retryAt`, and until the browser is online. After 1006 a wake cuts it: the network failed, and no server asked for the wait. */
  async function rest() {
    for (let event = back, left = 0; offline() || ((left = self.retryAt - Date.now()) > 0 && !(self.outcome.code == 1006 && wakes(event))); ) {
      event = await step(() => new Promise((resolve) => {
        wake = resolve;
        if (offline()) enter("offline");
        else enter("waiting", Math.min(left, 1e9)); // of more than 2³¹ setTimeout makes 0
      }));
    }
    self.retryAt = back = 0;
  }

  /** Whether an event of the page ends a wait. Becoming visible does so once: a page that is looked at often is no hammer. @param {any} event */
  const wakes = ({ type, persisted } = {}) =>
    type == "online" || persisted || (type == "visibilitychange" && !woken && (woken = !document.hidden));

  /** Hears what happens to the page. @param {any} event */
  function page(event) {
    wake?.(event);
    if (event.type == "offline") cut(event);
    // The browser closes the socket of a page that was in the back/forward cache, in Chromium some milliseconds from now.
    if (event.persisted) back = event;
  }

  /** @param {any} why an outcome, or what `closing` ended with, or an error of the options: no attempt would be any better */
  function finish(why) {
    drop(why);
    self.outcome = why?.action ? why : { ...judge(closing && why, profile, admitted), action: "stop", raw: why };
    const { code, clean, raw } = self.outcome;
    over.abort();
    enter("closed");
    if (queued.length) emit(new Event("lost"), { messages: queued, handed: 0 });
    emit(new Event("close"), { code, reason: raw?.reason ?? "", wasClean: clean, outcome: self.outcome });
  }

  for (const type of ["open", "message", "lost", "statechange", "close"]) {
    self["on" + type] = null;
    self.addEventListener(type, (/** @type {Event} */ event) => self["on" + type]?.(event));
  }
  for (const type of ["pageshow", "visibilitychange", "offline", "online"]) globalThis.addEventListener?.(type, page, over);
  signal?.addEventListener("abort", () => self.close(), over);
  run().catch(finish);
  if (signal?.aborted) self.close();
  return self;
}

/** Whether the browser is sure that there is no network. */
const offline = () => globalThis.navigator?.onLine === false;

/**
 * @param {() => unknown} hook
 * @returns {Promise<any>} what it failed with: an outcome, or an error for one
 */
async function failure(hook) {
  try {
    await hook();
  } catch (/** @type {any} */ error) {
    return error?.action ? error : { error };
  }
}
