// The clients, at their defaults but for what a comment says. Each is given a URL and the four functions of an account (page.js), and returns
// what sends a number.
import { Centrifuge } from "centrifuge";
import { createClient } from "graphql-ws";
import { WebSocket as PartySocket } from "partysocket";
import ReconnectingWebSocket from "reconnecting-websocket";
import { io } from "socket.io-client";
import { connect } from "../../../../codes/client/src/index.js";
import { explain } from "../../../../codes/client/src/explain.js";

export const clients = {
  wsverdict: (url, account) => wsverdict(url, account),
  "wsverdict, explain": (url, account) => wsverdict(url, account, { explain: explain("/why") }),
  "reconnecting-websocket": (url, account) => reconnecting(new ReconnectingWebSocket(url, ["chat.v1"]), account),
  partysocket: (url, account) => reconnecting(new PartySocket(url, ["chat.v1"]), account),
  "graphql-ws": (url, account) => graphql(url, account),
  "graphql-ws, shouldRetry": (url, account) => graphql(url, account, { shouldRetry: () => true }),
  centrifuge,
  "socket.io-client": socketIO,
  "socket.io-client, its own packet": socketIO,
};

function wsverdict(url, account, options) {
  const socket = connect(url, { protocols: ["chat.v1"], ...options });
  let open = false, given = []; // to this connection
  socket.addEventListener("lost", ({ messages, handed }) => { // comes before the state changes
    account.told(...messages.map(Number));
    if (handed) account.maybe(...given);
  });
  socket.addEventListener("statechange", () => {
    if (open) given = [];
    open = socket.state == "open";
    if (!["waiting", "closed"].includes(socket.state)) return;
    const { code, slug, action, after, httpStatus } = socket.outcome;
    account.knew({ code, slug, action, after, httpStatus });
  });
  socket.addEventListener("close", account.ended);
  return {
    send(number) {
      socket.send(String(number));
      given.push(number);
    },
  };
}

function reconnecting(socket, account) {
  socket.onclose = ({ code, reason }) => account.knew({ code, reason });
  return { send: (number) => socket.send(String(number)) };
}

function graphql(url, account, options) {
  const client = createClient({
    url,
    lazy: false, // connected although nothing is subscribed to
    onNonLazyError: account.ended,
    on: { closed: ({ code, reason }) => account.knew({ code, reason }) },
    ...options,
  });
  return {
    send(number) {
      client.subscribe(
        { query: "mutation ($number: Int!) { say(number: $number) }", variables: { number } },
        { next() {}, complete() {}, error: () => account.told(number) },
      );
    },
  };
}

function centrifuge(url, account) {
  const client = new Centrifuge(url);
  let begun = false;
  client.on("connecting", ({ code, reason }) => {
    if (begun) account.knew({ code, reason });
    begun = true;
  });
  client.on("error", ({ type, error, transport }) => account.knew({ type, error: error?.message, transport }));
  client.on("disconnected", ({ code, reason }) => {
    account.knew({ code, reason });
    account.ended();
  });
  client.connect();
  return { send: (number) => client.publish("room", { number }).catch(() => account.told(number)) };
}

function socketIO(url, account) {
  const { origin, pathname, searchParams } = new URL(url);
  const socket = io(origin, {
    path: pathname, addTrailingSlash: false, query: Object.fromEntries(searchParams),
    transports: ["websocket"], // by default it begins with HTTP polling
    forceNew: true, // one connection for each, not one for all
  });
  socket.on("connect_error", ({ message, data }) => {
    account.knew({ message, data });
    if (!socket.active) account.ended();
  });
  socket.on("disconnect", (reason, { context } = {}) => {
    account.knew({ reason, context: context && { code: context.code, reason: context.reason } });
    if (!socket.active) account.ended();
  });
  return { send: (number) => { socket.emit("say", number); } };
}
