// Runs in a hidden frame, under the server's other name. It connects back to the origin that asks, and to no other.
import { attempt } from "./attempt.js";

addEventListener("message", async ({ data, origin, source }) => {
  const socket = origin.replace(/^http/, "ws");
  source.postMessage(await attempt(socket + data.path, data.protocols), origin);
});
parent.postMessage("ready", "*"); // it holds nothing
