/** @import { Action, Close, Known, Outcome, Profile } from "./types.js" */

/** The subprotocol that a server of this protocol chooses when it refuses a handshake by close frame. */
export const REFUSED = "wsverdict.refused";

/** The HTTP statuses of codes that do not contain theirs. @type {Record<number, number>} */
const STATUS = { 1008: 400, 1009: 413, 1011: 500, 1012: 503, 1013: 503, 1014: 502, 3000: 401, 3003: 403, 3008: 408 };

/** Where it is not what the status says: stop for 4xx, backoff for 5xx. @type {Record<number, Action>} */
const ACTION = {
  1000: "stop",
  1001: "reconnect",
  1009: "backoff",
  1012: "reconnect",
  3000: "refresh",
  3008: "reconnect",
  4401: "refresh",
  4408: "reconnect",
  4429: "backoff",
};

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
 * @param {number} code
 */
export function mirrored(code) {
  const httpStatus = STATUS[code] ?? (code > 4399 && code < 4600 ? code - 4000 : 0);
  const stop = httpStatus ? httpStatus < 500 : code > 3999 && code < 5000;
  return { action: ACTION[code] ?? (stop ? "stop" : "backoff"), httpStatus, name: NAME[code] ?? "" };
}

/**
 * What a close means. It takes whatever a `close` event handler got, from any server, and never throws.
 *
 * @param {Close | null} [event] a `CloseEvent`, or anything with its fields
 * @param {Known} [known] the scheme of codes, and what is known of the connection beside its close
 * @returns {Outcome}
 */
export function outcome(event, { profile = mirrored, opened, admitted } = {}) {
  const { code = 1006, reason, wasClean = false, target } = event ?? /** @type {Close} */ ({});
  // Parameters that are not known are passed over, so that the grammar can grow.
  /** @param {string} pattern */
  const find = (pattern) => reason?.match?.(pattern + "(?=;|$)")?.[1] ?? "";
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
