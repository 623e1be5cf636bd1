// Connects, is left for another origin, and come back to.
import { connect } from "/wsverdict/wsverdict.js";

const { url, away } = Object.fromEntries(new URLSearchParams(location.search));
const tell = (what, data = null) => fetch("/event", { method: "POST", body: JSON.stringify({ what, data }) });
const began = performance.now(), states = [];
const socket = connect(url, { protocols: ["chat.v1"], backoff: 1e6, cap: 1e6 }); // who waits is not back in this test
socket.addEventListener("statechange", () => states.push({ state: socket.state, at: performance.now() - began, code: socket.outcome?.code }));

addEventListener("pageshow", async ({ persisted }) => {
  if (!persisted) return;
  await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true })); // the old one looks open still
  await tell("back", { states });
  close();
});

const [{ type, notRestoredReasons }] = performance.getEntriesByType("navigation");
if (type == "back_forward") {
  await tell("discarded", notRestoredReasons ?? "for a reason that it does not tell");
} else {
  await socket.ready;
  await tell("open");
  location = away;
}
