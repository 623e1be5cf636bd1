// The hooks, in the libraries that they are for, against a fake WebSocket.
import assert from "node:assert/strict";
import { test } from "node:test";
import { act, createElement } from "react";
import renderer from "react-test-renderer";
import { useSocket } from "./react.js";
import { socketStore } from "./svelte.js";

globalThis.IS_REACT_ACT_ENVIRONMENT = true;

let sockets = [];
class FakeSocket {
  readyState = 0;
  bufferedAmount = 0;
  protocol = "";
  sent = [];
  constructor(url) {
    this.url = url;
    sockets.push(this);
  }
  send(data) {
    this.sent.push(data);
  }
  close() {
    this.readyState = 3;
    queueMicrotask(() => this.onclose({ code: 1000, wasClean: true }));
  }
  open() {
    this.readyState = 1;
    this.onopen({});
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test("React: state, messages to the newest handler, sending, and the end with the component", async () => {
  sockets = [];
  let seen, got = [];
  const Room = ({ url, who }) => {
    seen = useSocket(url, { WebSocket: FakeSocket, onMessage: ({ data }) => got.push(`${who} ${data}`) });
    return null;
  };
  let tree;
  await act(async () => (tree = renderer.create(createElement(Room, { url: "ws://x/a", who: "first" }))));
  assert.equal(seen.state, "connecting");
  await act(async () => sockets[0].open());
  assert.equal(seen.state, "open");
  const { send } = seen;
  await act(async () => tree.update(createElement(Room, { url: "ws://x/a", who: "second" })));
  assert.equal(seen.send, send, "a new function for the same connection");
  assert.equal(sockets.length, 1);
  sockets[0].onmessage({ data: "hello" });
  send("hi");
  assert.deepEqual([got, sockets[0].sent], [["second hello"], ["hi"]]);
  await act(async () => tree.update(createElement(Room, { url: "ws://x/b", who: "second" })));
  assert.deepEqual(sockets.map(({ url, readyState }) => [url, readyState]), [["ws://x/a", 3], ["ws://x/b", 0]]);
  await act(async () => sockets[1].open());
  await act(async () => sockets[1].onclose({ code: 4403, reason: "banned;do=stop", wasClean: true }));
  assert.equal(seen.state, "closed");
  assert.equal(seen.outcome.slug, "banned");
  await act(async () => tree.unmount());
});

test("Svelte: connected while somebody subscribes", async () => {
  sockets = [];
  const states = [], got = [];
  const room = socketStore("ws://x/", { WebSocket: FakeSocket, onMessage: ({ data }) => got.push(data) });
  assert.equal(sockets.length, 0);
  const stop = room.subscribe(({ state }) => states.push(state));
  await settle();
  sockets[0].open();
  sockets[0].onmessage({ data: "hello" });
  room.send("hi");
  assert.equal(states.at(-1), "open");
  assert.deepEqual([got, sockets[0].sent], [["hello"], ["hi"]]);
  stop();
  assert.equal(sockets[0].readyState, 3);
  assert.equal(states.at(-1), "open", "it was told of its own end");
});
