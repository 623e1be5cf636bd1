// Connects with the page's client wherever this is run, and prints what came of it as JSON: meet.js ws://host:port
import { connect } from "../../../codes/client/dist/wsverdict.js";
import { explain } from "../../../codes/client/dist/explain.js";

const base = process.argv[2], http = base.replace("ws", "http");
const done = (socket) => new Promise((resolve) => (socket.onclose = ({ outcome }) => resolve(outcome)));
const brief = ({ code, slug, action, refused }) => ({ code, slug, action, refused });

/** Hears its own words, queued ones and binary ones too, until the server ends it. */
async function admitted() {
  const socket = connect(base + "/echo", { protocols: ["chat.v1"] }), heard = [];
  socket.binaryType = "arraybuffer";
  socket.send("queued");
  for await (const { data } of socket) {
    heard.push(typeof data == "string" ? data : `${new Uint8Array(data)}`);
    socket.send(heard.length == 1 ? new Uint8Array([1, 2, 3]) : "end");
  }
  return { heard, ...brief(socket.outcome) };
}

async function refreshed() {
  let token = "old";
  const socket = connect(base + "/token", { token: () => token, refresh: () => (token = "new") });
  await socket.ready;
  socket.close();
  return { heard: [token], ...brief(await done(socket)) };
}

async function refused() {
  const socket = connect(base + "/banned", { protocols: ["chat.v1"] });
  let opens = 0;
  socket.onopen = () => opens++;
  const outcome = await socket.ready.catch((outcome) => outcome);
  return { heard: opens ? ["open"] : [], ...brief(outcome) };
}

/** A status: no code arrives, and it asks. */
async function rejected() {
  const socket = connect(base + "/hidden", { backoff: 1, explain: explain(http + "/hidden") });
  const told = [];
  socket.onstatechange = () => socket.state == "waiting" && told.push(`${socket.outcome.code}`);
  return { heard: told, ...brief(await done(socket)) };
}

const results = {};
for (const meeting of [admitted, refreshed, refused, rejected]) results[meeting.name] = await meeting();
console.log(JSON.stringify(results));
process.exit();
