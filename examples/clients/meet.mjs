// Usage: node meet.mjs CLIENT BASE CASE...
//
// Lets CLIENT connect to each BASE/CASE, and prints what became of it, a line of JSON each: whether the client came back
// ("connected") or gave up ("ended"), whether it asked for a new token, and how long it meant to wait.
import { WebSocket } from "ws";

const [client, base, ...cases] = process.argv.slice(2);

// Each client is set up as its documentation advises, but for shorter waits. It gets the URL and three functions to call.
const clients = {
  async "graphql-ws"() {
    const { createClient } = await import("graphql-ws");
    return (url, { connected, ended, fetchToken }) => {
      let stale = false, token = "old";
      createClient({
        url: async () => {
          if (stale) token = fetchToken();
          return `${url}?token=${token}`;
        },
        webSocketImpl: WebSocket,
        lazy: false,
        retryWait: async () => {},
        on: {
          closed: (event) => { stale = event.code === 4403; }, // "Client usage with auth token refresh"
          connected,
        },
        onNonLazyError: ended,
      });
    };
  },

  async centrifuge() {
    const { Centrifuge } = await import("centrifuge");
    return (url, { connected, ended, fetchToken }) => {
      const centrifuge = new Centrifuge(url, {
        websocket: WebSocket,
        token: "old",
        getToken: async () => fetchToken(),
        minReconnectDelay: 1,
        maxReconnectDelay: 10,
      });
      centrifuge.on("connected", connected).on("disconnected", ended);
      centrifuge.connect();
    };
  },

  async "pusher-js"() {
    const { default: Pusher } = await import("pusher-js");
    return (url, { connected, ended, waits }) => {
      const { hostname, port, pathname } = new URL(url);
      const pusher = new Pusher("key", {
        cluster: "", wsHost: hostname, wsPort: port, wsPath: pathname,
        forceTLS: false, enabledTransports: ["ws"], enableStats: false,
      });
      pusher.connection.bind("connecting_in", waits);
      pusher.connection.bind("connected", connected);
      pusher.connection.bind("disconnected", ended);
    };
  },
};

const connect = await clients[client]();
await Promise.all(cases.map((name) => new Promise((done) => {
  const result = { case: name, result: "", refreshed: false, waits: 0 };
  const settle = (how) => () => {
    if (result.result) return;
    result.result = how;
    console.log(JSON.stringify(result));
    done();
  };
  connect(`${base}/${name}`, {
    connected: settle("connected"),
    ended: settle("ended"),
    fetchToken: () => { result.refreshed = true; return "new"; },
    waits: (seconds) => { result.waits += seconds; },
  });
})));
process.exit();
