/** @import { Action, Close, Known, Outcome, Profile } from "./types.js" */

/** The subprotocol that a server of this protocol chooses when it refuses a handshake by close frame. */
export const REFUSED = "wsverdict.refused";

/** Where it is not what the range says. @type {Record<number, Action>} */
const ACTION = {
  1000: "stop",
  1001: "reconnect",
  1008: "stop",
  1012: "reconnect",
  3000: "refresh",
  3003: "stop",
  3008: "reconnect",
  4401: "refresh",
  4408: "reconnect",
  4429: "backoff",
};

/** The HTTP statuses of codes that do not contain theirs. @type {Record<number, number>} */
const STATUS = { 1008: 400, 1009: 413, 1011: 500, 1012: 503, 1013: 503, 1014: 502, 3000: 401, 3003: 403, 3008: 408 };

/** @type {Record<number, string>} */
const NAME = {
  4400: "Bad Request",
  4401: "Unauthorized",
  4403: "Forbidden",
  4404: "Not Found",
  4406: "Not Acceptable",
  4408: "Request Timeout",
  4409: "Conflict",
  4410: "Gone",
  4413: "Content Too Large",
  4426: "Upgrade Required",
  4429: "Too Many Requests",
  4451: "Unavailable For Legal Reasons",
  4500: "Internal Server Error",
  4503: "Service Unavailable",
  4504: "Gateway Timeout",
};

/**
 * The scheme of this library: 4400–4599 are 4000 + the HTTP status, the rest of 4000–4999 is the application's own. Codes below 4000 mean
 * the same in every scheme that does not say otherwise.
 *
 * @type {Profile}
 */
export const mirrored = (/** @type {any} */ code) => ({
  action: ACTION[code] ?? (/^4[^5]..$/.test(code) ? "stop" : "backoff"),
  httpStatus: STATUS[code] ?? (/^4[45]..$/.test(code) ? code - 4000 : 0),
  name: NAME[code] ?? "",
});

/**
 * `mirrored` without what is for logs alone, a tenth of `connect`'s weight: names, and the statuses of codes below 4000. Written out, because what
 * the two would share weighs more than it saves; a test holds them together.
 *
 * @type {Profile}
 */
export const brief = (/** @type {any} */ code) => ({
  action: ACTION[code] ?? (/^4[^5]..$/.test(code) ? "stop" : "backoff"),
  httpStatus: /^4[45]..$/.test(code) ? code - 4000 : 0,
  name: "",
});

/**
 * What a close means. It takes whatever a `close` event handler got, from any server, and never throws.
 *
 * @param {Close | null} [event] a `CloseEvent`, or anything with its fields
 * @param {Known} [known] the scheme of codes, and what is known of the connection beside its close
 * @returns {Outcome}
 */
export const outcome = (event, { profile = mirrored, opened, admitted } = {}) => judge(event, profile, admitted, opened);

/**
 * `outcome` for a profile that is given.
 *
 * @param {Close | null | undefined} event
 * @param {Profile} profile
 * @param {boolean} [admitted]
 * @param {boolean} [opened]
 * @returns {Outcome}
 */
export function judge(event, profile, admitted, opened) {
  const { code = 1006, reason, wasClean = false, target } = event ?? /** @type {Close} */ ({});
  // Parameters that are not known are passed over, so that the grammar can grow.
  /** @param {string} pattern */
  const find = (pattern) => reason?.match?.(pattern + "(;|$)")?.[1] ?? "";
  const slug = find("^([a-z][a-z0-9_]{0,63})");
  const { action, ...meaning } = profile(code);
  return {
    code,
    slug,
    action: /** @type {Action} */ ((slug && find(";do=(stop|refresh|backoff|reconnect)")) || action),
    after: +(slug && find(";after=(?!0+\\b)(\\d{1,9})")),
    ...meaning,
    clean: wasClean,
    refused: target?.protocol == REFUSED || (opened == false && code != 1006) || (!admitted && null),
    raw: event,
  };
}
