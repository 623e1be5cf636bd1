// Compiled, never run: what TypeScript says to users of the package. A line under @ts-expect-error must not compile.
import { connect, outcome } from "wsverdict";
import { explain } from "wsverdict/explain";
import { connect as connectRenewing } from "wsverdict/renewal";
import { centrifuge, mirrored } from "wsverdict/profiles";
import { tabs } from "wsverdict/tabs";
import type { Action, Connection, Outcome, Profile, State } from "wsverdict";

const socket: Connection = connect("wss://app.example.com/ws", {
  protocols: ["chat.v1"],
  token: async () => "token",
  refresh: (why) => void why?.slug,
  explain: explain((token) => `/ws/why?ticket=${token}`),
  profile: centrifuge,
  tabs: tabs("chat", { refreshed: (value) => void value }),
  signal: new AbortController().signal,
  WebSocket,
});

const renewed: Connection = connectRenewing("wss://app.example.com/ws", {
  token: () => "token",
  expires: () => new Date(),
  renew: (token) => JSON.stringify({ token }),
});

socket.addEventListener("message", (event) => void (event.data as string));
socket.addEventListener("lost", (event) => event.messages.forEach((message) => socket.send(message)));
socket.addEventListener("close", ({ outcome }) => void outcome.slug.length);
socket.onclose = ({ code, outcome }) => void (code satisfies number, outcome satisfies Outcome);
const state: State = socket.state;
const ready: Promise<Connection> = socket.ready;
for await (const { data } of socket) void data;

const { action, after, refused }: Outcome = outcome(new CloseEvent("close", { code: 4401 }));
action satisfies Action;
after satisfies number;
refused satisfies boolean | null;
outcome(undefined);

const mine: Profile = (code) => (code == 4100 ? { name: "trial over", action: "stop", httpStatus: 402 } : mirrored(code));
outcome({ code: 4100 }, { profile: mine });

// Where a WebSocket stood.
const plain: Pick<WebSocket, "send" | "close" | "readyState" | "bufferedAmount" | "protocol" | "url" | "binaryType"> = socket;
void [state, ready, plain, renewed];

// @ts-expect-error no such action
action == "retry";
// @ts-expect-error it is the server's to say
socket.outcome = undefined;
// @ts-expect-error a misspelt option
connect("wss://x", { tokens: () => "" });
// @ts-expect-error an option of wsverdict/renewal
connect("wss://x", { expires: () => 0 });
// @ts-expect-error not a profile
connect("wss://x", { profile: () => "stop" });
// @ts-expect-error a message that cannot be sent
socket.send(5);
