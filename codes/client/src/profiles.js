import { mirrored } from "./outcome.js";

/** @import { Action, Meaning, Profile } from "./types.js" */

export { mirrored };

/**
 * What the codes below 4000 mean in every scheme that does not say otherwise.
 *
 * @param {number} code
 * @returns {Meaning}
 */
const registered = (code) => mirrored(code < 4000 ? code : 0);

/**
 * @param {Record<number, [name: string, httpStatus: number, action: Action]>} table
 * @param {(code: number) => Action | undefined} [range] the action by range, of what is not in the table
 * @returns {Profile}
 */
const scheme = (table, range) => (code) => {
  if (table[code]) {
    const [name, httpStatus, action] = table[code];
    return { name, action, httpStatus };
  }
  const action = range?.(code);
  return action ? { name: "", action, httpStatus: 0 } : registered(code);
};

/** @type {Record<number, string>} */
const registry = {
  1000: "Normal Closure",
  1001: "Going Away",
  1002: "Protocol error",
  1003: "Unsupported Data",
  1005: "No Status Rcvd",
  1006: "Abnormal Closure",
  1007: "Invalid frame payload data",
  1008: "Policy Violation",
  1009: "Message Too Big",
  1010: "Mandatory Ext.",
  1011: "Internal Error",
  1012: "Service Restart",
  1013: "Try Again Later",
  1014: "Bad Gateway",
  1015: "TLS handshake",
  3000: "Unauthorized",
  3003: "Forbidden",
  3008: "Timeout",
};

/** The WebSocket Close Code Number Registry of IANA, with its names. @type {Profile} */
export const iana = (code) => ({
  ...registered(code),
  ...(code > 3999 && code < 5000 && { action: "stop" }), // private use: nothing is known of them
  name: registry[code] ?? "",
});

/** graphql-transport-ws. Its clients retry what it does not define. @type {Profile} */
export const graphqlTransportWS = /* @__PURE__ */ scheme({
  4004: ["Bad response", 0, "stop"],
  4005: ["Internal client error", 0, "stop"],
  4400: ["Bad request", 400, "stop"],
  4401: ["Unauthorized", 401, "stop"],
  4403: ["Forbidden", 403, "refresh"],
  4406: ["Subprotocol not acceptable", 406, "stop"],
  4408: ["Connection initialisation timeout", 408, "reconnect"],
  4409: ["Subscriber already exists", 409, "stop"],
  4429: ["Too many initialisation requests", 429, "stop"],
  4500: ["Internal server error", 500, "stop"],
  4504: ["Connection acknowledgement timeout", 504, "backoff"],
});

/** Centrifuge and Centrifugo. @type {Profile} */
export const centrifuge = /* @__PURE__ */ scheme(
  {
    3000: ["connection closed", 0, "reconnect"],
    3001: ["shutdown", 503, "reconnect"],
    3004: ["internal server error", 500, "backoff"],
    3005: ["connection expired", 401, "refresh"],
    3006: ["subscription expired", 0, "reconnect"],
    3008: ["slow", 0, "reconnect"],
    3009: ["write error", 0, "reconnect"],
    3010: ["insufficient state", 0, "reconnect"],
    3011: ["force reconnect", 0, "reconnect"],
    3012: ["no pong", 408, "reconnect"],
    3013: ["too many requests", 429, "backoff"],
    3014: ["state invalidated", 401, "refresh"],
    3500: ["invalid token", 401, "stop"],
    3501: ["bad request", 400, "stop"],
    3502: ["stale", 408, "stop"],
    3503: ["force disconnect", 0, "stop"],
    3504: ["connection limit", 429, "stop"],
    3505: ["channel limit", 429, "stop"],
    3506: ["inappropriate protocol", 406, "stop"],
    3507: ["permission denied", 403, "stop"],
    3508: ["not available", 404, "stop"],
    3509: ["too many errors", 429, "stop"],
  },
  (code) => {
    if ((code > 3499 && code < 4000) || (code > 4499 && code < 5000)) return "stop";
    return code > 2999 ? "backoff" : undefined;
  },
);

/** Pusher Channels. @type {Profile} */
export const pusher = /* @__PURE__ */ scheme(
  {
    4000: ["TLS required", 426, "stop"],
    4001: ["Application does not exist", 404, "stop"],
    4003: ["Application disabled", 403, "stop"],
    4004: ["Over connection quota", 429, "stop"],
    4005: ["Path not found", 404, "stop"],
    4006: ["Invalid version string format", 400, "stop"],
    4007: ["Unsupported protocol version", 406, "stop"],
    4008: ["No protocol version supplied", 400, "stop"],
    4009: ["Unauthorized", 401, "stop"],
    4100: ["Over capacity", 503, "backoff"],
    4200: ["Reconnect immediately", 503, "reconnect"],
    4201: ["Pong not received", 408, "reconnect"],
    4202: ["Closed after inactivity", 408, "reconnect"],
  },
  (code) => {
    if (code > 4099 && code < 4200) return "backoff";
    if (code > 4199 && code < 4300) return "reconnect";
    return code > 3999 && code < 5000 ? "stop" : undefined;
  },
);
