// Asks for scenarios, runs them, and tells what happens.
import * as scenarios from "./scenarios.js";

const tell = (what, data = null) => fetch("/event", { method: "POST", body: JSON.stringify({ what, data }) });

for (;;) {
  const { scenario, args } = await (await fetch("/task")).json();
  try {
    await tell("done", (await scenarios[scenario](args ?? {}, tell)) ?? null);
  } catch (error) {
    await tell("failed", `${error.stack ?? error}`);
  }
}
