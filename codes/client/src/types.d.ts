/** What a client does after a refusal or a close. */
export type Action = "stop" | "refresh" | "backoff" | "reconnect";

/** The fields of a `CloseEvent` that count. */
export interface Close {
  readonly code?: number;
  readonly reason?: string;
  readonly wasClean?: boolean;
  readonly target?: any;
  /** In place of a `CloseEvent`'s fields: why there was no connection. */
  readonly error?: unknown;
}

/** What a scheme says about one of its codes. */
export interface Meaning {
  /** Its word for the code, or "". */
  name: string;
  /** What to do where the reason does not say. */
  action: Action;
  /** The HTTP status of the same meaning, or 0. */
  httpStatus: number;
}

/** A scheme of close codes. A pure function. */
export type Profile = (code: number) => Meaning;

export interface Known {
  /** The scheme of codes; `mirrored` where none is given. */
  profile?: Profile;
  /** Whether the connection had opened. */
  opened?: boolean;
  /** True when the server is known to have admitted the connection: a message came, or it chose another subprotocol than the one for refusals. */
  admitted?: boolean;
}

/** Why a connection ended, and what to do about it. */
export interface Outcome {
  /** The close code as received; 1006 where there was none. */
  readonly code: number;
  /** The code's name in its scheme, or "". For logs. `connect` leaves it empty unless it is given a profile. */
  readonly name: string;
  /** What happened, for programs: "token_expired". "" where the server does not say. */
  readonly slug: string;
  /** What to do about it. Act on this one, not on the code. */
  readonly action: Action;
  /** How long to wait first, in seconds; 0 where the server does not say. */
  readonly after: number;
  /** The HTTP status of the same meaning, or 0. */
  readonly httpStatus: number;
  /** Whether the closing handshake was completed. */
  readonly clean: boolean;
  /** True: refused at the door. False: it was admitted, and ended later. Null: that cannot be told. */
  readonly refused: boolean | null;
  /** What it was made from: a `CloseEvent`, a `Response`, or an error. */
  readonly raw: unknown;
}

/**
 * - `connecting`: the token is asked for, or the handshake is under way
 * - `open`: messages go out and come in
 * - `refreshing`: your `refresh` runs
 * - `waiting`: until `retryAt`
 * - `offline`: until the browser is online
 * - `closing`: you called `close`
 * - `closed`: over for good, `outcome` says why
 */
export type State = "connecting" | "open" | "refreshing" | "waiting" | "offline" | "closing" | "closed";

/** What can be sent. */
export type Data = Parameters<WebSocket["send"]>[0];

export interface Options {
  /** Subprotocols, as for `new WebSocket`. A function gets the token and returns all of them. */
  protocols?: string | string[] | ((token: string | undefined) => string[]);
  /**
   * The credential, asked for before each attempt. It is offered as two subprotocols, `["bearer", token]`, unless the address or `protocols` is a
   * function: then it goes where you put it. A failure counts as one of the network; an `Outcome` that is thrown is obeyed as the server's.
   */
  token?: () => string | undefined | Promise<string | undefined>;
  /**
   * Called when the server says `refresh`, one call at a time, however many connections have the same function. One that fails is tried again with
   * backoff; an `Outcome` that is thrown and says `stop` ends it.
   */
  refresh?: (outcome: Outcome | undefined) => unknown;
  /** Asked once after three attempts in a row that never opened: `explain` of `wsverdict/explain` makes one from a URL. */
  explain?: (token: string | undefined, signal: AbortSignal) => Promise<Outcome | undefined>;
  /** How many bytes may wait to be sent while there is no connection. 65536; 0: `send` throws then. */
  queue?: number;
  /** How many messages may wait for an async iterator. 1000; beyond it the loop throws. */
  buffer?: number;
  /** Ends it, as `close()` does. */
  signal?: AbortSignal;
  /**
   * The server's scheme of close codes. By default it is this library's, without names: give `mirrored` of `wsverdict/profiles` to have them in
   * outcomes, and the HTTP statuses of codes below 4000.
   */
  profile?: Profile;
  /**
   * Whether to offer the subprotocol by which a server tells a refusal at `open`. By default it is offered beside subprotocols of yours. True: also
   * without any, which only servers that speak this protocol admit. False: never.
   */
  marker?: boolean;
  /** The first backoff, in milliseconds: each later one may be twice as long. 1000. */
  backoff?: number;
  /** The longest backoff, in milliseconds. 60000. */
  cap?: number;
  /** Over how many milliseconds clients come back when told to reconnect. 3000. */
  spread?: number;
  /** After how many milliseconds a connection is stable and a backoff begins anew. 10000. */
  stable?: number;
  /** How many milliseconds an attempt may take, and bytes may wait without moving. 20000. */
  timeout?: number;
  /** What one tab does for all: see `wsverdict/tabs`. */
  tabs?: Tabs;
  /** The constructor, where there is no global one or another is wanted. */
  WebSocket?: new (url: string | URL, protocols?: string | string[]) => any;
}

/** The options of `connect` of `wsverdict/renewal`. */
export interface RenewalOptions extends Options {
  /** When the token ends, in milliseconds since 1970 or as a `Date`. One that has ended is refreshed before it is sent. */
  expires?: (token: string | undefined) => number | Date | undefined;
  /** With `expires`: the message that gives the server a new token over the live connection, sent before the old one ends. */
  renew?: (token: string | undefined) => Data;
}

/** How tabs take turns. `tabs()` of `wsverdict/tabs` makes one. */
export interface Tabs {
  /** Resolves when this tab may connect. */
  turn(): Promise<unknown>;
  /** Runs the hook, unless another tab did since `since` (milliseconds since 1970). */
  refresh(hook: () => unknown, since: number): Promise<unknown>;
}

/** What the `lost` event tells. */
export interface LostEvent extends Event {
  /**
   * Messages that did not reach the server, or nobody knows. They had not all left the browser when it last was looked; or the server had not
   * spoken, and the connection was not stable yet.
   */
  readonly messages: Data[];
  /** How many messages the connection had been given in all. Those not in `messages` had left the browser, which is no proof that they arrived. */
  readonly handed: number;
}

/** The `close` event: once, at the very end. */
export interface EndEvent extends Event {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
  readonly outcome: Outcome;
}

export interface ConnectionEvents {
  /** A connection is open: each time. What is sent here goes before the queue. */
  open: Event;
  message: MessageEvent;
  /** Messages did not reach the server, or may not have. They are not sent again unless you do. */
  lost: LostEvent;
  /** `state` is another. */
  statechange: Event;
  close: EndEvent;
}

/**
 * What `connect` returns. It stands where a `WebSocket` stood and outlives many of them: `open` comes each time, `close` once, when it is over
 * for good; `error` never, since every end has an outcome.
 */
export interface Connection extends EventTarget, AsyncIterable<MessageEvent> {
  readonly state: State;
  /** Why the last connection ended; undefined before the first end. */
  readonly outcome: Outcome | undefined;
  /** While `waiting`: when the next attempt is due, in milliseconds since 1970. */
  readonly retryAt: number;
  /** A promise: resolves with this when it is open, rejects with the outcome when it is over for good. */
  readonly ready: Promise<Connection>;

  readonly url: string;
  readonly protocol: string;
  /** 0 while there is no connection, 1 when it is open, 2 and 3 at the end. */
  readonly readyState: 0 | 1 | 2 | 3;
  /** In bytes: what waits in the queue and in the socket. */
  readonly bufferedAmount: number;
  binaryType: BinaryType;

  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onlost: ((event: LostEvent) => void) | null;
  onstatechange: ((event: Event) => void) | null;
  onclose: ((event: EndEvent) => void) | null;
  onerror: ((event: Event) => void) | null;

  /**
   * Sends, or queues while there is no connection. Nothing is sent twice.
   * @throws {DOMException} InvalidStateError: the queue has no room for it, or the connection is closing or closed
   */
  send(data: Data): void;
  /** Ends it for good. The code is 1000 or 3000–4999, the reason has at most 123 bytes. */
  close(code?: number, reason?: string): void;

  /** The messages from now on. The loop ends when it is over for good, and throws when it falls `buffer` messages behind. */
  [Symbol.asyncIterator](): AsyncIterator<MessageEvent>;

  addEventListener<K extends keyof ConnectionEvents>(
    type: K,
    listener: ((event: ConnectionEvents[K]) => void) | { handleEvent(event: ConnectionEvents[K]): void } | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof ConnectionEvents>(
    type: K,
    listener: ((event: ConnectionEvents[K]) => void) | { handleEvent(event: ConnectionEvents[K]): void } | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void;
}

/** Where to connect to. A function gets the token: for tickets and tokens in a query. */
export type Address = string | URL | ((token: string | undefined) => string | URL);
