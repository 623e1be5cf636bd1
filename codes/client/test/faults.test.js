// What other clients got wrong, in public reports. One test for each.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, outcome } from "../src/index.js";
import { explain, refusal } from "../src/explain.js";
import { brief, mirrored } from "../src/outcome.js";
import { FakeSocket, fire, opened, page, pass, settle, setup, sockets, start, waits } from "./fake.js";

/** @param {string} name @param {(t: import("node:test").TestContext) => Promise<void>} run */
const fault = (name, run) => test(name, (t) => (setup(t), run(t)));

fault("a late event of an old socket is not taken for the new one's", async () => {
  const { socket, at, log } = await start({ timeout: 1000 });
  const old = at();
  await pass(1000); // given up
  await pass(waits(socket));
  await at().open();
  const events = log.length;
  await old.open();
  await old.message("from the past");
  await old.end(4403, "not_a_member;do=stop");
  assert.equal(socket.state, "open");
  assert.equal(log.length, events);
  assert.equal(sockets.length, 2);
});

fault("a late answer of the token hook is not taken for the new attempt's", async () => {
  const answers = [];
  const { socket } = await start({ timeout: 1000, token: () => new Promise((resolve) => answers.push(resolve)) });
  await pass(1000);
  await pass(waits(socket));
  assert.equal(answers.length, 1, "two calls of the hook at a time");
  answers[0]("one");
  await settle();
  assert.equal(sockets.length, 1);
});

fault("closed while the token is asked for, it makes no connection any more", async () => {
  let answer;
  const { socket } = await start({ token: () => new Promise((resolve) => (answer = resolve)) });
  socket.close();
  await settle();
  assert.equal(socket.state, "closed");
  answer("late");
  await settle();
  assert.equal(sockets.length, 0);
});

fault("nothing is locked after an attempt that failed", async () => {
  const { socket, at } = await start();
  for (let i = 0; i < 1000; i++) {
    await at().end(1006);
    assert.ok(waits(socket) <= 60000);
    await pass(waits(socket));
    assert.equal(sockets.length, i + 2);
  }
});

fault("after the end a new connection works", async () => {
  const { at } = await opened();
  await at().end(4403);
  const again = connect("ws://x/", { WebSocket: FakeSocket });
  await settle();
  await at().open();
  assert.equal(await again.ready, again);
});

fault("no message is sent twice, and what may be lost is told", async () => {
  const { socket, at, lost } = await opened({ protocols: "chat.v1" }, "chat.v1");
  const first = at();
  socket.send("left");
  first.flows = false;
  socket.send("stuck");
  await first.end(1006);
  socket.send("queued");
  await pass(waits(socket));
  await at().open("chat.v1");
  assert.deepEqual(at().sent, ["queued"]);
  assert.equal(lost().length, 1);
  assert.deepEqual(lost()[0].messages, ["stuck"]);
  assert.equal(lost()[0].handed, 2);
});

fault("the queue that went into a refusal without the marker is told", async () => {
  const { socket, at, lost } = await start();
  socket.send("one");
  await at().open();
  await at().end(4503, "maintenance;do=backoff");
  assert.deepEqual(lost()[0].messages, ["one"]);
  socket.send("two");
  await pass(waits(socket));
  await at().open();
  assert.deepEqual(at().sent, ["two"]);
});

fault("what has left is in doubt until the server has spoken, or the connection is stable", async () => {
  const { socket, at, lost } = await opened();
  socket.send("one"); // it leaves at once
  socket.send("two");
  await at().end(1006);
  assert.deepEqual(lost()[0].messages, ["one", "two"]);
  await pass(waits(socket));
  await at().open();
  socket.send("three");
  await at().message("hello");
  socket.send("four");
  await at().end(1006);
  assert.deepEqual(lost()[1].messages, []);
  assert.equal(lost()[1].handed, 2);
  await pass(waits(socket));
  await at().open();
  socket.send("five");
  await pass(10000);
  at().flows = false;
  socket.send("six");
  socket.send("seven");
  await at().end(1006);
  assert.deepEqual(lost()[2].messages, ["six", "seven"]);
  assert.equal(lost()[2].handed, 3);
});

fault("an empty message is one too", async () => {
  const { socket, lost } = await start();
  socket.send("");
  socket.close();
  await settle();
  assert.deepEqual(lost()[0].messages, [""]);
});

fault("a pageshow that finds no connection does not leave it open in name", async () => {
  let come;
  const { socket, at } = await opened({ tabs: { turn: () => (sockets.length ? new Promise((resolve) => (come = resolve)) : undefined) } });
  await fire("pageshow", { persisted: true });
  await at().end(1006);
  assert.equal(socket.state, "connecting");
  await fire("offline");
  assert.equal(socket.state, "offline");
  come();
  await pass(1e6);
  assert.equal(sockets.length, 1, "an attempt while offline");
});

fault("nothing goes into a socket that the server is closing, and what went before it is told", async () => {
  const { socket, at, lost } = await opened({ protocols: "chat.v1" }, "chat.v1");
  const first = at();
  socket.send("one"); // has left, and the server may have closed before it came
  first.readyState = 2; // its close frame is there, the end is not
  socket.send("two");
  await first.end(4503, "restart;do=reconnect");
  assert.deepEqual(first.sent, ["one"]);
  assert.deepEqual(lost()[0].messages, []);
  assert.equal(lost()[0].handed, 1);
  await pass(3000);
  await at().open("chat.v1");
  assert.deepEqual(at().sent, ["two"]);
  at().message("hello");
  socket.close();
  await at().end(1000);
  assert.equal(lost().length, 1); // of what the page closes nothing is in doubt
});

fault("a `lost` handler may send again, once", async () => {
  const { socket, at } = await opened();
  socket.addEventListener("lost", ({ messages }) => messages.forEach((message) => socket.send(message)));
  at().flows = false;
  socket.send("important");
  await at().end(1006);
  await pass(waits(socket));
  await at().open();
  assert.deepEqual(at().sent, ["important"]);
});

fault("waking up, a stale token is refreshed before it is sent", async () => {
  let token = { text: "old", end: Date.now() + 3600e3 }, refreshed = 0;
  const { socket, at } = await opened({
    token: () => token.text,
    expires: () => token.end,
    refresh: () => (refreshed++, (token = { text: "new", end: Date.now() + 3600e3 })),
  });
  await at().end(1006);
  page.onLine = false;
  await fire("offline");
  await pass(8 * 3600e3); // asleep
  await fire("online");
  assert.equal(refreshed, 1);
  assert.deepEqual(at().offer, ["bearer", "new", "wsverdict.refused"]);
  assert.equal(socket.state, "connecting");
});

fault("`open` resets nothing: who is refused after it backs off all the same", async () => {
  const { socket, at } = await start();
  for (const wait of [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]) {
    await at().open();
    await at().end(4503);
    assert.equal(waits(socket), wait);
    await pass(wait);
  }
});

fault("a refusal is not fatal because of its number", async () => {
  const { socket, at } = await opened({ refresh() {} });
  await at().end(4401, "shard_moved;do=reconnect"); // graphql-ws: 4401 is fatal before anybody is asked
  assert.equal(socket.state, "waiting");
});

fault("a page that keeps becoming visible is no hammer", async () => {
  const { at } = await start();
  for (let i = 0; i < 100; i++) {
    await at().end(1006).catch(() => {});
    for (let flips = 0; flips < 10; flips++) await fire("visibilitychange");
  }
  assert.equal(sockets.length, 2);
});

fault("one refresh at a time, however many connections ask", async () => {
  let calls = 0, done;
  const refresh = () => (calls++, new Promise((resolve) => (done = resolve)));
  const both = [await opened({ refresh }), await opened({ refresh })];
  for (const socket of [...sockets]) await socket.end(4401);
  assert.equal(calls, 1);
  done();
  await settle();
  assert.equal(sockets.length, 4);
  for (const { socket } of both) assert.equal(socket.state, "connecting");
});

fault("tickets are not shared: each attempt has its own", async () => {
  let n = 0;
  const token = () => `ticket${++n}`;
  const address = (ticket) => `ws://x/?ticket=${ticket}`;
  await start({ token }, address);
  await start({ token }, address);
  assert.deepEqual(sockets.map(({ url, offer }) => [url, offer]), [["ws://x/?ticket=ticket1", []], ["ws://x/?ticket=ticket2", []]]);
});

fault("a message while idle does not make the next slow send look dead", async () => {
  const { socket, at } = await opened({ timeout: 5000 });
  socket.send("a");
  await pass(9999);
  at().flows = false;
  socket.send("b");
  await pass(1);
  assert.equal(socket.state, "open");
  at().bufferedAmount = 0;
  await pass(5000);
  assert.equal(socket.state, "open");
});

fault("a handler that throws, or closes, breaks nothing", async () => {
  const { socket, at, log } = await start();
  socket.onstatechange = () => socket.state == "open" && socket.close();
  await at().open();
  assert.equal(socket.state, "closing");
  await at().end(1000);
  await pass(1e6);
  assert.deepEqual(log.map(({ type }) => type), ["close"]);
});

fault("a ticket's mint that refuses is obeyed, by its body or by its status", async () => {
  const problem = JSON.stringify({ status: 503, code: 4503, slug: "maintenance", action: "backoff", after: 7 });
  const answers = [
    new Response(problem, { status: 503, headers: { "content-type": "application/problem+json" } }),
    new Response("<h1>no</h1>", { status: 403 }),
  ];
  const { socket } = await start({ token: async () => { throw await refusal(answers.shift()); } });
  assert.equal(socket.outcome.slug, "maintenance");
  assert.equal(waits(socket), 7500);
  await pass(7500);
  await settle();
  assert.equal(socket.state, "closed");
  assert.deepEqual([socket.outcome.code, socket.outcome.httpStatus, socket.outcome.action], [4403, 403, "stop"]);
});

fault("an `explain` that fails, or answers after the end, changes nothing", async () => {
  let answer;
  const { socket, at } = await start({ explain: () => new Promise((resolve, reject) => (answer = { resolve, reject })) });
  for (let i = 0; i < 3; i++) {
    await at().end(1006);
    if (i < 2) await pass(waits(socket));
  }
  socket.close();
  await pass(0);
  answer.resolve({ code: 4401, action: "refresh" });
  await settle();
  assert.equal(socket.state, "closed");
  assert.equal(socket.outcome.code, 1000);
});

fault("a platform that ends a failed handshake in its own way does not hold it up", async () => {
  const { socket, at } = await start();
  at().onerror({ type: "error" }); // Node 22: no close event follows
  await settle();
  assert.deepEqual([socket.state, socket.outcome.code], ["waiting", 1006]);
  await pass(waits(socket));
  await at().end(0, "", false); // Deno
  assert.deepEqual([socket.state, socket.outcome.code, socket.outcome.action], ["waiting", 1006, "backoff"]);
  await fire("online");
  at().readyState = 3;
  at().onerror({ type: "error" }); // a browser: the close event follows, and has the code
  await at().end(4403, "banned;do=stop", false);
  assert.equal(socket.outcome.slug, "banned");
});

fault("`explain` sends the same credentials, and does not wait for ever", async (t) => {
  let request;
  t.mock.method(globalThis, "fetch", (url, options) => {
    request = { url, ...options };
    return new Promise((_, reject) => options.signal.addEventListener("abort", () => reject(options.signal.reason)));
  });
  const asked = explain("/ws/why", { timeout: 1000 })("secret", new AbortController().signal);
  assert.equal(request.headers.authorization, "Bearer secret");
  assert.equal(request.credentials, "include");
  const failed = assert.rejects(asked, { name: "AbortError" });
  await pass(1000);
  await failed;
});

test("`ready`: resolves at `open`, waits over refusals that pass, rejects with the outcome", async (t) => {
  setup(t);
  const { socket, at } = await start();
  const ready = socket.ready;
  await at().end(4503);
  await pass(waits(socket));
  await at().open();
  assert.equal(await ready, socket);
  await at().end(4403, "not_a_member;do=stop");
  await assert.rejects(socket.ready, (why) => why.slug == "not_a_member" && why === socket.outcome);
});

test("nobody has to listen to `ready`", async (t) => {
  setup(t);
  const unhandled = t.mock.fn();
  process.once("unhandledRejection", unhandled);
  const { at } = await start();
  await at().open();
  await at().end(4403);
  await settle();
  process.off("unhandledRejection", unhandled);
  assert.equal(unhandled.mock.callCount(), 0);
});

test("the loop gets messages of all connections in order, ends at the end, and leaves no listener", async (t) => {
  setup(t);
  const { socket, at } = await start();
  const seen = [];
  const loop = (async () => {
    for await (const { data } of socket) seen.push(data);
  })();
  await at().open();
  at().message("a");
  await at().message("b");
  await at().end(1006);
  await pass(waits(socket));
  await at().open();
  at().message("c");
  at().end(4403);
  await loop;
  assert.deepEqual(seen, ["a", "b", "c"]);
});

test("a loop that is too slow is told", async (t) => {
  setup(t);
  const { socket, at } = await opened({ buffer: 2 });
  const loop = (async () => {
    for await (const _ of socket) await new Promise((resolve) => setTimeout(resolve, 1000));
  })();
  await settle();
  const failed = assert.rejects(loop, RangeError);
  for (const data of "12345") await at().message(data);
  await pass(1000);
  await failed;
  assert.equal(socket.state, "open");
});

test("it stands where a WebSocket stood", async (t) => {
  setup(t);
  const { socket, at } = await start({ protocols: ["chat.v1"] });
  const seen = [];
  socket.onopen = () => seen.push("open");
  socket.onmessage = ({ data }) => seen.push(data);
  socket.onclose = ({ code }) => seen.push(code);
  socket.binaryType = "arraybuffer";
  assert.equal(socket.readyState, 0);
  assert.equal(at().binaryType, "arraybuffer");
  assert.deepEqual(at().offer, ["chat.v1", "wsverdict.refused"]);
  await at().open("chat.v1");
  assert.equal(socket.readyState, 1);
  assert.equal(socket.protocol, "chat.v1");
  assert.equal(socket.url, "ws://x/");
  await at().message("hi");
  socket.close(4000, "done");
  assert.equal(socket.readyState, 2);
  await at().end(4000, "done");
  assert.equal(socket.readyState, 3);
  assert.deepEqual(seen, ["open", "hi", 4000]);
});

test("a signal that was aborted before makes no connection", async (t) => {
  setup(t);
  const { socket, log } = await start({ signal: AbortSignal.abort() });
  assert.equal(socket.state, "closed");
  assert.equal(socket.outcome.code, 1000);
  assert.equal(sockets.length, 0);
  assert.deepEqual(log.map(({ type }) => type), ["close"]);
});

test("a renewal that fails is tried again, and none is sent to another connection", async (t) => {
  setup(t);
  let token = 1, fail = true, done;
  const { at, socket } = await opened({
    token: () => String(token),
    refresh: () => {
      if (fail) throw new Error("down");
      return new Promise((resolve) => (done = () => resolve(token++)));
    },
    expires: () => 1e12 + 600000,
    renew: (token) => `renew ${token}`,
  });
  await pass(540000);
  fail = false;
  await pass(30000); // half of what is left
  await at().end(1006);
  await pass(waits(socket));
  await at().open();
  done();
  await settle();
  assert.deepEqual(at().sent, []);
});

test("tabs hear since when the token is, renewed ones too", async (t) => {
  setup(t);
  const asked = [];
  let end = 1e12 + 600000;
  const { at } = await opened({
    token: () => "t",
    refresh: () => (end += 600000),
    expires: () => end,
    renew: () => "renew",
    tabs: { turn: async () => {}, refresh: (hook, since) => (asked.push(since - 1e12), hook()) },
  });
  await pass(540000);
  assert.deepEqual(at().sent, ["renew"]);
  await at().end(4401);
  assert.deepEqual(asked, [0, 540000]);
});

test("what is offered", async (t) => {
  setup(t);
  const token = () => "t", marker = "wsverdict.refused";
  for (const [options, offer] of [
    [{}, []],
    [{ token }, ["bearer", "t", marker]],
    [{ protocols: "a", token }, ["a", "bearer", "t", marker]],
    [{ protocols: ["a"], marker: false }, ["a"]],
    [{ marker: true }, ["wsverdict.v1", marker]],
    [{ protocols: (token) => ["access_token", token], token }, ["access_token", "t", marker]],
  ]) {
    const { at, socket } = await start(options);
    assert.deepEqual(at().offer, offer);
    if (options.marker) {
      await at().open("wsverdict.v1");
      assert.equal(socket.protocol, "");
    }
  }
});

test("what connect knows of codes without a profile is what `mirrored` says, but for what is for logs", () => {
  for (let code = -1; code <= 65536; code++) {
    const known = mirrored(code), { action, httpStatus, name } = brief(code);
    assert.equal(action, known.action, `${code}`);
    assert.equal(httpStatus, code > 3999 ? known.httpStatus : 0, `${code}`);
    assert.equal(name, "");
  }
});

test("names come with a profile", async (t) => {
  setup(t);
  const { socket, at } = await start({ profile: mirrored });
  await at().open();
  await at().end(4403);
  assert.equal(socket.outcome.name, "Forbidden");
});

test("outcome never throws", () => {
  for (const event of [undefined, null, 0, "x", {}, [], { code: "4401", reason: 5 }, { code: NaN, reason: Symbol("x"), target: 1 }, { code: -1, reason: null },
    { code: 4401, reason: "a".repeat(1e6) + ";do=stop" }, { code: 4401, reason: "\u0000;do=stop;;=;do" }]) {
    const got = outcome(event);
    assert.match(got.action, /^(stop|refresh|backoff|reconnect)$/);
    assert.equal(got.raw, event);
  }
});
