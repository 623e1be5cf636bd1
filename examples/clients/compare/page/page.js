// One connection of one client to the server that served the page, with messages to send, and an account of what became of them. Where more than
// one is wanted each has a frame: some clients draw their random delay once for a page.
import { clients } from "./clients.js";

const query = new URLSearchParams(location.search);
const count = Number(query.get("connections"));
const every = Number(query.get("every")); // milliseconds; 0: nothing is sent

/** @returns the account, and what ends the sending. */
function keep(connection) {
  const account = {
    sent: 0, // messages are numbered from 0
    told: [], // those of which the client said that they did not arrive, or may not have
    maybe: [], // those of which it said that some of them may not have arrived
    knew: [], // what it told about each end of a connection
    ended: false, // it said that it comes back no more
  };
  const { send } = clients[query.get("client")](`ws://${location.host}/ws?connection=${connection}`, {
    knew: (what) => account.knew.push(JSON.stringify(what)),
    told: (...numbers) => account.told.push(...numbers),
    maybe: (...numbers) => account.maybe.push(...numbers),
    ended: () => { account.ended = true; },
  });
  const timer = every && setInterval(() => {
    const number = account.sent++;
    try {
      send(number);
    } catch {
      account.told.push(number);
    }
  }, every);
  return { account, stop: () => clearInterval(timer) };
}

if (count > 1) {
  for (let connection = 0; connection < count; connection++) {
    const frame = document.createElement("iframe");
    query.set("connections", 1);
    query.set("connection", connection);
    frame.src = `?${query}`;
    document.body.append(frame);
  }
} else {
  globalThis.kept = keep(Number(query.get("connection")));
}

const all = () => (count > 1 ? Array.from(frames, ({ kept }) => kept) : [kept]);
globalThis.stop = () => all().forEach((one) => one.stop());
globalThis.report = () => ({
  accounts: all().map(({ account }) => account),
  visible: document.visibilityState == "visible",
  browser: navigator.userAgent,
});
