// The state table of docs/client.md: one test for each row, named as the row is.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FakeSocket, fire, opened, page, pass, settle, setup, sockets, start, waits } from "./fake.js";

const NETWORK = 1006, REFUSED = "wsverdict.refused";

const rows = {
  "connecting | it opens": async () => {
    const { socket, log, at } = await start();
    socket.send("queued");
    socket.addEventListener("open", () => socket.send("first"));
    await at().open();
    assert.equal(socket.state, "open");
    assert.deepEqual(at().sent, ["first", "queued"]);
    assert.equal(log[0].type, "open");
  },
  "connecting | it opens with `wsverdict.refused`": async () => {
    const { socket, log, at } = await start({ protocols: "chat.v1" });
    socket.send("queued");
    await at().open(REFUSED);
    assert.equal(socket.state, "connecting");
    assert.equal(socket.readyState, 0);
    await at().end(4503, "maintenance;do=backoff;after=5");
    assert.deepEqual(at().sent, []);
    assert.deepEqual(log, []);
    assert.equal(socket.outcome.refused, true);
    await pass(waits(socket));
    await at().open("chat.v1");
    assert.deepEqual(at().sent, ["queued"]);
  },
  "connecting | `token` fails": async () => {
    const broken = new Error("no token");
    const { socket } = await start({ token: () => Promise.reject(broken) });
    assert.equal(socket.state, "waiting");
    assert.equal(socket.outcome.code, NETWORK);
    assert.equal(socket.outcome.raw.error, broken);
    assert.equal(sockets.length, 0);
  },
  "connecting | `token` throws an outcome": async () => {
    const { socket, log } = await start({ token: () => Promise.reject({ code: 4503, slug: "maintenance", action: "backoff", after: 30 }) });
    assert.equal(socket.state, "waiting");
    assert.equal(waits(socket), 30500);
    assert.equal(socket.outcome.slug, "maintenance");
    assert.equal(sockets.length, 0);
    const over = await start({ token: () => Promise.reject({ code: 4403, slug: "banned", action: "stop", after: 0 }) });
    assert.equal(over.socket.state, "closed");
    assert.equal(over.socket.outcome.slug, "banned");
    assert.equal(over.log.at(-1).type, "close");
    let calls = 0;
    const again = await start({ token: () => { if (!calls) throw { code: 4401, slug: "token_expired", action: "refresh", after: 0 }; }, refresh: () => calls++ });
    await again.at().open();
    assert.equal(again.socket.state, "open");
    assert.deepEqual([calls, log.length], [1, 0]);
  },
  "connecting | the token has ended": async () => {
    let token = "old";
    const { at } = await start({
      token: () => token,
      refresh: () => (token = "new"),
      expires: (token) => (token == "old" ? Date.now() : Date.now() + 1e6),
    });
    assert.deepEqual(at().offer, ["bearer", "new", REFUSED]);
  },
  "connecting | nothing happens for `timeout`": async () => {
    const { socket, at } = await start({ timeout: 5000 });
    const first = at();
    await pass(5000);
    assert.equal(socket.state, "waiting");
    assert.equal(socket.outcome.code, NETWORK);
    assert.equal(first.readyState, 2, "the attempt goes on");
  },
  "connecting | the `WebSocket` cannot be made": async (t) => {
    FakeSocket.refuses = new SyntaxError("bad URL");
    const { socket, log } = await start();
    assert.equal(socket.state, "closed");
    assert.equal(socket.outcome.action, "stop");
    assert.equal(socket.outcome.raw, FakeSocket.refuses);
    assert.equal(log.at(-1).type, "close");
  },
  "connecting | `offline`": async () => {
    const { socket, at } = await start();
    await fire("offline");
    assert.equal(socket.state, "offline");
    assert.equal(at().readyState, 2, "the attempt goes on");
  },
  "open | a message": async () => {
    const { log, at } = await opened();
    await at().message("hello");
    assert.equal(log.at(-1).data, "hello");
  },
  "open | `stable` has passed": async () => {
    const { socket, at } = await start({ refresh() {} });
    for (let i = 0; i < 3; i++) {
      await at().end(NETWORK);
      await pass(waits(socket));
    }
    await at().open();
    await pass(10000);
    await at().end(NETWORK);
    assert.equal(waits(socket), 500);
  },
  "open | the token is about to end": async () => {
    let token = 1, refreshed = 0;
    const end = Date.now() + 600000;
    const { socket, at } = await opened({
      token: () => String(token),
      refresh: () => (refreshed++, token++),
      expires: (token) => (token == "1" ? end : end + 6e6),
      renew: (token) => `renew ${token}`,
    });
    await pass(539999);
    assert.equal(refreshed, 0);
    await pass(1);
    assert.equal(refreshed, 1);
    assert.deepEqual(at().sent, ["renew 2"]);
    assert.equal(socket.state, "open");
    assert.equal(sockets.length, 1);
  },
  "open | what is sent does not move for `timeout`": async () => {
    const { socket, at, lost } = await opened({ timeout: 5000 });
    at().flows = false;
    socket.send("into the void");
    await pass(5000);
    assert.equal(socket.state, "open", "it was looked at once only");
    await pass(5000);
    assert.equal(socket.state, "waiting");
    assert.deepEqual(lost()[0].messages, ["into the void"]);
  },
  "open | `offline`": async () => {
    const { socket, at } = await opened();
    await fire("offline");
    assert.equal(socket.state, "offline");
    assert.equal(socket.outcome.code, NETWORK);
    await pass(1e6);
    assert.equal(sockets.length, 1);
  },
  "open | `pageshow`": async () => {
    const { socket } = await opened();
    await fire("pageshow", { persisted: false });
    assert.equal(socket.state, "open");
    await fire("pageshow", { persisted: true }); // the socket looks open still, in Chromium
    assert.equal(sockets.length, 1);
    await sockets[0].end(NETWORK);
    assert.equal(sockets.length, 2);
    assert.equal(socket.state, "connecting");
    await sockets[1].end(NETWORK);
    assert.equal(socket.state, "waiting", "it returned once");
  },
  "open | `close()`": async () => {
    const { socket, at, log } = await opened();
    socket.close(4000, "bye");
    assert.equal(socket.state, "closing");
    assert.equal(at().closedWith, 4000);
    assert.throws(() => socket.send("late"), { name: "InvalidStateError" });
    assert.equal(log.at(-1).type, "open", "it waits for the server");
  },
  "connecting, open | closed: stop": async () => {
    const { socket, at, log } = await opened();
    await at().end(4403, "not_a_member;do=stop");
    assert.equal(socket.state, "closed");
    assert.equal(socket.readyState, 3);
    const { type, code, reason, wasClean, outcome } = log.at(-1);
    assert.deepEqual({ type, code, reason, wasClean }, { type: "close", code: 4403, reason: "not_a_member;do=stop", wasClean: true });
    assert.equal(outcome, socket.outcome);
  },
  "connecting, open | closed: refresh": async () => {
    const done = Promise.withResolvers?.() ?? deferred();
    const { socket, at } = await opened({ refresh: () => done.promise });
    await at().end(4401, "token_expired;do=refresh");
    assert.equal(socket.state, "refreshing");
    await pass(1e6);
    assert.equal(sockets.length, 1);
  },
  "connecting, open | closed: refresh, for the second time": async () => {
    let refreshed = 0;
    const { socket, at } = await opened({ refresh: () => refreshed++ });
    await at().end(4401);
    await at().open();
    await pass(9999);
    await at().end(4401);
    assert.equal(refreshed, 1);
    assert.equal(socket.state, "closed");
  },
  "connecting, open | closed: refresh, with neither `refresh` nor `token`": async () => {
    const { socket, at } = await opened();
    await at().end(4401);
    assert.equal(socket.state, "closed");
  },
  "connecting, open | closed: backoff": async () => {
    const { socket, at } = await opened();
    await at().end(4429, "rate_limited;do=backoff;after=30");
    assert.equal(socket.state, "waiting");
    assert.equal(waits(socket), 30500);
  },
  "connecting, open | closed: reconnect": async () => {
    const { socket, at } = await opened();
    await at().end(4503, "restart;do=reconnect;after=3");
    assert.equal(socket.state, "waiting");
    assert.equal(waits(socket), 4500);
  },
  "connecting, open | closed: 1006": async () => {
    const { socket, at } = await opened();
    await at().end(NETWORK);
    assert.equal(socket.state, "waiting");
    assert.equal(waits(socket), 500);
  },
  "connecting | closed: 1006, the third in a row, with `explain`": async () => {
    const why = { code: 4403, action: "stop", slug: "network_blocked" };
    let asked = 0;
    const { socket, at } = await start({ explain: async () => (asked++, why) });
    for (let i = 0; i < 2; i++) {
      await at().end(NETWORK);
      await pass(waits(socket));
    }
    assert.equal(asked, 0);
    await at().end(NETWORK);
    assert.equal(asked, 1);
    assert.equal(socket.state, "closed");
    assert.equal(socket.outcome, why);
  },
  "refreshing | it succeeds": async () => {
    const { socket, at } = await opened({ refresh() {} });
    await at().end(4401);
    assert.equal(socket.state, "connecting");
    assert.equal(sockets.length, 2);
  },
  "refreshing | it succeeds, and the server said `after`": async () => {
    const { socket, at } = await opened({ refresh() {} });
    await at().end(4401, "x;do=refresh;after=5");
    assert.equal(socket.state, "waiting");
    assert.equal(waits(socket), 6500);
  },
  "refreshing | it fails": async () => {
    let calls = 0;
    const { socket, at } = await opened({ refresh: () => { if (!calls++) throw new Error("down"); } });
    await at().end(4401, "x;do=refresh");
    assert.equal(socket.state, "waiting");
    assert.equal(waits(socket), 500);
    await pass(500);
    assert.equal(calls, 2);
    assert.equal(socket.state, "connecting");
  },
  "refreshing | `refresh` throws an outcome that says stop": async () => {
    const signedOut = { code: 4403, slug: "signed_out", action: "stop", after: 0 };
    const { socket, log, at } = await opened({ refresh: () => Promise.reject(signedOut) });
    await at().end(4401, "x;do=refresh");
    assert.equal(socket.state, "closed");
    assert.equal(socket.outcome, signedOut);
    assert.equal(log.at(-1).type, "close");
  },
  "refreshing | `offline`": async () => {
    let done, calls = 0;
    const { socket, at } = await opened({ refresh: () => (calls++, new Promise((resolve) => (done = resolve))) });
    await at().end(4401);
    await fire("offline");
    assert.equal(socket.state, "offline");
    await pass(1e6);
    await fire("online");
    assert.equal(socket.state, "refreshing");
    assert.equal(calls, 1, "a second call beside the first");
    done();
    await settle();
    assert.equal(sockets.length, 2);
  },
  "refreshing | `online`, `pageshow`, visible": async () => {
    const { socket, at } = await opened({ refresh: () => new Promise(() => {}) });
    await at().end(4401);
    await wake();
    assert.equal(socket.state, "refreshing");
    assert.equal(sockets.length, 1);
  },
  "waiting | the time has come": async () => {
    const { socket, at } = await opened();
    await at().end(4500);
    await pass(499);
    assert.equal(sockets.length, 1);
    await pass(1);
    assert.equal(sockets.length, 2);
    assert.equal(socket.state, "connecting");
    assert.equal(socket.retryAt, 0);
  },
  "waiting | `online`, `pageshow`, after 1006": async () => {
    const { at } = await start();
    for (const [type, fields] of [["online"], ["pageshow", { persisted: true }], ["online"]]) {
      await at().end(NETWORK);
      const before = sockets.length;
      await fire("pageshow", { persisted: false });
      assert.equal(sockets.length, before);
      await fire(type, fields);
      assert.equal(sockets.length, before + 1, type);
    }
  },
  "waiting | visible, after 1006": async () => {
    const { at } = await start();
    await at().end(NETWORK);
    page.visibility = "hidden";
    await fire("visibilitychange");
    assert.equal(sockets.length, 1);
    page.visibility = "visible";
    await fire("visibilitychange");
    assert.equal(sockets.length, 2);
    await at().end(NETWORK);
    await fire("visibilitychange");
    assert.equal(sockets.length, 2, "a hammer");
  },
  "waiting | `online`, `pageshow`, visible, after anything else": async () => {
    const { socket, at } = await opened();
    await at().end(4500);
    await wake();
    assert.equal(socket.state, "waiting");
    assert.equal(sockets.length, 1);
  },
  "waiting | `offline`": async () => {
    const { socket, at } = await opened();
    await at().end(4500);
    await fire("offline");
    assert.equal(socket.state, "offline");
    await pass(1e6);
    assert.equal(sockets.length, 1);
  },
  "offline | `online`, after 1006": async () => {
    page.onLine = false;
    const { socket } = await start();
    assert.equal(socket.state, "offline");
    await fire("online");
    assert.equal(sockets.length, 1);
  },
  "offline | `online`, after anything else": async () => {
    const { socket, at } = await opened();
    await at().end(4503, "x;do=backoff;after=60");
    await fire("offline");
    await pass(20000);
    await fire("online");
    assert.equal(socket.state, "waiting");
    assert.equal(waits(socket), 40500);
    await pass(40500);
    assert.equal(sockets.length, 2);
  },
  "any but open, closing, closed | `send()`": async () => {
    const { socket, at } = await start({ queue: 5 });
    socket.send("abc");
    assert.equal(socket.bufferedAmount, 3);
    assert.throws(() => socket.send("def"), { name: "InvalidStateError" });
    await at().open();
    assert.deepEqual(at().sent, ["abc"]);
    assert.equal(socket.bufferedAmount, 0);
  },
  "any but open, closing, closed | `close()`": async () => {
    const { socket, at, log, lost } = await start();
    socket.send("never sent");
    socket.close();
    assert.equal(log.length, 0, "not from inside close");
    await pass(0);
    assert.equal(socket.state, "closed");
    assert.equal(socket.outcome.code, 1000);
    assert.deepEqual(lost()[0].messages, ["never sent"]);
    assert.equal(at().readyState, 2);
    await at().end(NETWORK);
    await pass(1e6);
    assert.equal(log.filter(({ type }) => type == "close").length, 1);
  },
  "any | the `signal` is aborted": async () => {
    const over = new AbortController();
    const { socket, at } = await opened({ signal: over.signal });
    over.abort();
    assert.equal(socket.state, "closing");
    await at().end(1000);
    assert.equal(socket.state, "closed");
  },
  "closing | closed": async () => {
    const { socket, at, log } = await opened();
    socket.close();
    await at().end(1005);
    assert.equal(socket.state, "closed");
    assert.equal(socket.outcome.action, "stop");
    assert.equal(log.at(-1).type, "close");
  },
  "closing | nothing happens for `timeout`": async () => {
    const { socket } = await opened({ timeout: 5000 });
    socket.close();
    await pass(5000);
    assert.equal(socket.state, "closed");
    assert.equal(socket.outcome.code, NETWORK);
  },
  "closed | anything": async () => {
    const { socket, at, log } = await opened();
    await at().end(4403);
    const before = log.length;
    socket.close();
    await wake();
    await pass(1e9);
    assert.throws(() => socket.send("late"), { name: "InvalidStateError" });
    assert.equal(sockets.length, 1);
    assert.equal(log.length, before);
  },
};

async function wake() {
  await fire("online");
  await fire("pageshow", { persisted: true });
  await fire("visibilitychange");
  await settle();
}

function deferred() {
  let resolve;
  return { promise: new Promise((done) => (resolve = done)), resolve };
}

for (const [name, run] of Object.entries(rows)) {
  test(name, async (t) => {
    setup(t);
    await run(t);
  });
}

test("docs/client.md prints this table", () => {
  const doc = readFileSync(new URL("../../../docs/client.md", import.meta.url), "utf8");
  const table = doc.slice(doc.indexOf("| state | event |"), doc.indexOf("\n\n", doc.indexOf("| state | event |")));
  const printed = table.split("\n").slice(2).map((row) => row.split("|").slice(1, 3).map((cell) => cell.trim()).join(" | "));
  assert.deepEqual(printed, Object.keys(rows));
});
