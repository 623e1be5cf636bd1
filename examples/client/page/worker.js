// Runs one scenario in a worker, where there is no document.
import * as scenarios from "./scenarios.js";

onmessage = async ({ data: { scenario, args } }) => postMessage(await scenarios[scenario](args));
postMessage("ready");
