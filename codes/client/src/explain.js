import { outcome } from "./outcome.js";

/** @import { Action, Address, Options, Outcome } from "./types.js" */

/**
 * For the option `explain`: asks a URL that answers GET behind the same checks as the handshake what the HTTP status was. It sends the token as
 * `Authorization: Bearer`, unless a function puts it into the URL, and cookies.
 *
 * @param {Address} address
 * @param {{ timeout?: number }} [options] how many milliseconds it may take; 10000
 * @returns {NonNullable<Options["explain"]>}
 */
export const explain = (address, { timeout = 10000 } = {}) => async (token, signal) => {
  const placed = typeof address == "function";
  const asked = new AbortController();
  const stop = () => asked.abort();
  const timer = setTimeout(stop, timeout);
  signal.addEventListener("abort", stop, asked);
  try {
    const response = await fetch(placed ? address(token) : address, {
      headers: { accept: "application/problem+json", ...(token && !placed && { authorization: "Bearer " + token }) },
      credentials: "include", // as a handshake has them
      cache: "no-store",
      signal: asked.signal,
    });
    return response.status < 400 ? undefined : await refusal(response);
  } finally {
    clearTimeout(timer);
    stop();
  }
};

/**
 * What a refused `fetch` says, as an outcome: for `token` and `refresh`, which may throw it.
 *
 *     if (!response.ok) throw await refusal(response);
 *
 * @param {Response} response one whose body was not read; of `application/problem+json` it counts, else the status alone
 * @returns {Promise<Outcome>}
 */
export async function refusal(response) {
  const { status, headers } = response;
  const problem = /^application\/problem\+json *(;|$)/i.test(headers.get("content-type") ?? "");
  const { code, slug, action, after } = Object(problem && (await response.json().catch(() => 0)));
  const said = outcome({ code: Number.isInteger(code) && code >= 4000 && code < 5000 ? code : 4000 + status }, { opened: false });
  const seconds = typeof after == "number" ? `${after}` : "";
  return {
    ...said,
    slug: match(/^[a-z][a-z0-9_]{0,63}$/, slug),
    action: /** @type {Action} */ (match(/^(stop|refresh|backoff|reconnect)$/, action) || said.action),
    after: +(match(WAIT, seconds) || match(WAIT, headers.get("retry-after"))),
    httpStatus: status,
    raw: response,
  };
}

const WAIT = /^(?!0+$)\d{1,9}$/;

/**
 * @param {RegExp} pattern
 * @param {unknown} text
 */
const match = (pattern, text) => (typeof text == "string" && pattern.exec(text)?.[0]) || "";
