// The protocol's own test vectors (docs/protocol.md), which every client proves itself with.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { explain } from "../src/explain.js";
import { outcome } from "../src/index.js";
import * as profiles from "../src/profiles.js";
import { fire, page, pass, setup, settle, sockets, start, waits } from "./fake.js";

const vectors = (name) => JSON.parse(readFileSync(new URL(`../../testdata/protocol/${name}.json`, import.meta.url), "utf8"));

const PROFILES = {
  mirrored: profiles.mirrored,
  iana: profiles.iana,
  "graphql-transport-ws": profiles.graphqlTransportWS,
  centrifuge: profiles.centrifuge,
  pusher: profiles.pusher,
};

test("close.json", async (t) => {
  for (const { name, profile, close, want } of vectors("close")) {
    await t.test(name, () => {
      assert.ok(PROFILES[profile], profile);
      const { protocol, opened, admitted, ...event } = close;
      const { raw, ...got } = outcome({ ...event, target: { protocol } }, { profile: PROFILES[profile], opened, admitted });
      assert.deepEqual(got, want);
      assert.equal(raw.code, close.code);
    });
  }
});

test("explain.json", async (t) => {
  for (const { name, http, want } of vectors("explain")) {
    await t.test(name, async (t) => {
      t.mock.method(globalThis, "fetch", async () => new Response(http.status == 204 || http.status == 304 ? null : http.body, http));
      const got = await explain("/ws/why")("token", new AbortController().signal);
      if (!want) return assert.equal(got, undefined);
      const { raw, clean, ...rest } = got;
      assert.deepEqual(rest, want);
      assert.ok(raw instanceof Response);
    });
  }
});

test("schedule.json", async (t) => {
  for (const { name, options, steps } of vectors("schedule")) {
    for (const random of [1e-6, 1]) { // 0 would be no wait
      await t.test(`${name}, random ${random}`, async (t) => {
        setup(t, { random });
        await schedule(options, steps, random);
      });
    }
  }
});

async function schedule({ canRefresh }, steps, random) {
  let settleRefresh, refreshes = 0;
  const refresh = () => (refreshes++, new Promise((resolve, reject) => (settleRefresh = { resolve, reject })));
  const { socket } = await start(canRefresh ? { refresh } : {});
  for (const step of steps) {
    const before = { sockets: sockets.length, refreshes, state: socket.state };
    if (step.event == "end") {
      const live = sockets.at(-1);
      if (step.stable && live.readyState == 0) {
        await live.open();
        await pass(10000);
      }
      const { code, action, after } = step;
      await live.end(code, code == 1006 ? "" : `x;do=${action}${after ? `;after=${after}` : ""}`);
    } else if (step.event == "timer") {
      while (socket.retryAt > Date.now()) await pass(Math.min(Math.ceil(socket.retryAt - Date.now()), 1e9));
      await pass(1); // a timer of 0 is one of 1
    } else if (step.event == "refreshed" || step.event == "refreshFailed") {
      step.event == "refreshed" ? settleRefresh.resolve() : settleRefresh.reject(new Error("down"));
      await settle();
    } else if (step.event == "visible") {
      await fire("visibilitychange");
    } else {
      await fire(step.event, { persisted: true });
    }
    const { expect } = step;
    if (expect.do == "connect" && socket.state == "waiting" && socket.retryAt <= Date.now()) await pass(1); // a wait of 0
    const made = sockets.length - before.sockets;
    const what = JSON.stringify(step);
    if (expect.do == "wait") {
      assert.equal(socket.state, "waiting", what);
      assert.equal(Math.floor(socket.retryAt - Date.now()), random == 1 ? expect.max : expect.min, what);
      assert.equal(made, 0, what);
    } else if (expect.do == "connect") {
      assert.equal(made, 1, what);
      assert.equal(socket.state, "connecting", what);
    } else if (expect.do == "refresh") {
      assert.equal(refreshes - before.refreshes, 1, what);
      assert.equal(made, 0, what);
    } else if (expect.do == "stop") {
      assert.equal(socket.state, "closed", what);
    } else {
      assert.ok(expect.do == "hold" || expect.do == "nothing", what);
      assert.equal(made, 0, what);
      assert.equal(refreshes, before.refreshes, what);
      if (before.state == "closed") assert.equal(socket.state, "closed", what);
    }
  }
  socket.close();
}
