// Keeps a connection, and does what the close frame says: stop, refresh, backoff or reconnect, `after` seconds. Nothing here
// knows the chat.

const STABLE = 10_000, FIRST = 1_000, MOST = 60_000; // milliseconds
const DEFAULTS = { 1000: "stop", 4401: "refresh", 4408: "reconnect", 4429: "backoff" };

// keepConnected connects again and again, until it is told to stop. It returns a function that ends it.
export function keepConnected(url, { protocols, refresh, opened, waiting, stopped }) {
  let ws, timer, failures = 0, refreshed = false, ended = false;

  async function connect() {
    const offer = await protocols();
    if (ended) return;
    ws = new WebSocket(url, offer);
    let stable;
    ws.onopen = () => { // a refusal opens too: nothing is reset here
      stable = setTimeout(() => { failures = 0; refreshed = false; }, STABLE);
      opened(ws);
    };
    ws.onclose = ({ code, reason }) => {
      clearTimeout(stable);
      if (!ended) next(code, parseReason(reason));
    };
  }

  async function next(code, { slug, action, after }) {
    action ||= DEFAULTS[code] ?? (code >= 4000 && code < 4500 || code >= 4600 ? "stop" : "backoff");
    if (action === "refresh") {
      if (refreshed) action = "stop"; // the new credentials were refused as well
      else try {
        refreshed = true;
        await refresh();
      } catch {
        refreshed = false; // it was the refreshing that failed
        action = "backoff";
      }
    }
    if (ended) return;
    if (action === "stop") {
      ended = true;
      return stopped(code, slug);
    }
    const spread = Math.min(MOST, FIRST * 2 ** failures++);
    const wait = action === "backoff" ? spread / 2 + Math.random() * spread / 2 : Math.random() * spread;
    const delay = Math.min(after * 1000 + wait, 2 ** 31 - 1); // more is none to setTimeout
    timer = setTimeout(attempt, delay);
    waiting(code, slug, action, delay / 1000);
  }

  // protocols may fail to get a token: that is a connection that was not made.
  const attempt = () => connect().catch(() => ended || next(1006, parseReason("")));
  attempt();
  return () => {
    ended = true;
    clearTimeout(timer);
    ws?.close(1000);
  };
}

// parseReason reads `slug;do=action;after=seconds`. Parameters that it does not know are passed over.
export function parseReason(text) {
  const [slug, ...params] = text.split(";");
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(slug)) return { slug: "", action: "", after: 0 };
  const first = (pattern) => params.map((p) => pattern.exec(p)?.[1]).find(Boolean);
  return {
    slug,
    action: first(/^do=(stop|refresh|backoff|reconnect)$/) ?? "",
    after: Number(first(/^after=(?!0+$)([0-9]{1,9})$/) ?? 0),
  };
}
