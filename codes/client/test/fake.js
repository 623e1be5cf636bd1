// A fake clock, a fake socket and a fake page. A test that uses them calls setup first.
import assert from "node:assert/strict";
import { mock } from "node:test";
import { connect } from "../src/index.js";
import { connect as connectRenewing } from "../src/renewal.js";

/** Every socket that was made since setup. @type {FakeSocket[]} */
export let sockets = [];

export class FakeSocket {
  static refuses; // set to an error: the constructor throws it
  readyState = 0;
  protocol = "";
  extensions = "";
  bufferedAmount = 0;
  sent = [];
  /** Whether what is sent leaves at once. */
  flows = true;

  constructor(url, offer) {
    if (FakeSocket.refuses) throw FakeSocket.refuses;
    Object.assign(this, { url: String(url), offer });
    sockets.push(this);
  }
  send(data) {
    this.sent.push(data);
    if (!this.flows) this.bufferedAmount += data.length;
  }
  close(code) {
    if (this.readyState < 2) this.readyState = 2;
    this.closedWith = code;
  }
  // What the server and the network do:
  open(protocol = "") {
    this.protocol = protocol;
    this.readyState = 1;
    this.onopen({ type: "open" });
    return settle();
  }
  message(data) {
    this.onmessage({ data, origin: "ws://x" });
    return settle();
  }
  end(code, reason = "", wasClean = code != 1006) {
    this.readyState = 3;
    this.onclose({ code, reason, wasClean, target: this });
    return settle();
  }
}

/** The page. */
export const page = { onLine: true, visibility: "visible", target: new EventTarget() };

/** Lets everything run that waits for nothing. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Lets time pass. */
export async function pass(ms) {
  mock.timers.tick(ms);
  await settle();
}

export async function fire(type, fields) {
  if (type == "online" || type == "offline") page.onLine = type == "online";
  page.target.dispatchEvent(Object.assign(new Event(type), fields));
  await settle();
}

/** @param {import("node:test").TestContext} t */
export function setup(t, { random = 0.5 } = {}) {
  sockets = [];
  FakeSocket.refuses = undefined;
  Object.assign(page, { onLine: true, visibility: "visible", target: new EventTarget() });
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1e12 });
  mock.method(Math, "random", () => random);
  const before = {};
  const fakes = {
    navigator: { get onLine() { return page.onLine; } },
    document: { get hidden() { return page.visibility == "hidden"; } },
    addEventListener: (...args) => page.target.addEventListener(...args),
  };
  for (const [name, value] of Object.entries(fakes)) {
    before[name] = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  t.after(() => {
    mock.timers.reset();
    mock.restoreAll();
    for (const [name, was] of Object.entries(before)) {
      if (was) Object.defineProperty(globalThis, name, was);
      else delete globalThis[name];
    }
  });
}

/** A connection with everything it did written down. */
export async function start(options = {}, address = "ws://x/") {
  const socket = (options.expires ? connectRenewing : connect)(address, { WebSocket: FakeSocket, ...options });
  const log = [];
  for (const type of ["open", "message", "lost", "close"]) socket.addEventListener(type, (event) => log.push(event));
  await settle();
  return { socket, log, lost: () => log.filter(({ type }) => type == "lost"), at: () => sockets.at(-1) };
}

/** An open one. */
export async function opened(options, protocol) {
  const made = await start(options);
  await made.at().open(protocol);
  assert.equal(made.socket.state, "open");
  return made;
}

/** How long it waits, in milliseconds. */
export const waits = (socket) => socket.retryAt - Date.now();
