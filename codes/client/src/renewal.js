import { connect as plain } from "./connect.js";
import { refreshOnce } from "./once.js";

/** @import { Address, Connection, RenewalOptions } from "./types.js" */

const LONGEST = 2 ** 31 - 1; // setTimeout takes more for 0

/**
 * `connect` for tokens whose end the page knows: one that has ended is refreshed before it is sent, and with `renew` a live connection gets a
 * new one before the old one ends.
 *
 * @param {Address} address
 * @param {RenewalOptions} [options]
 * @returns {Connection}
 */
export function connect(address, { expires, renew, ...options } = {}) {
  const { token: asks, refresh, tabs } = options;
  /** @type {string | undefined} */
  let token;
  let asked = 0;
  /** The state's number: what was begun in another state is of the past. */
  let turn = 0;
  /** @type {any} */
  let timer;

  const ask = async () => {
    token = await asks?.();
    asked = Date.now();
  };
  const fresh = async () => {
    await refreshOnce(refresh, socket.outcome, tabs, asked);
    await ask();
  };
  /** How many milliseconds the token still lives; NaN if that is not known. */
  const left = () => Number(expires?.(token)) - Date.now();

  function plan() {
    const mine = ++turn, most = left();
    clearTimeout(timer);
    if (!renew || socket.state != "open" || !(most > 1000)) return;
    timer = setTimeout(async () => {
      try {
        await fresh();
        if (mine == turn) socket.send(renew(token));
      } catch {} // and again, when half of the time that is left has passed
      if (mine == turn) plan();
    }, Math.min(Math.max(most / 2, most - 60000), LONGEST));
  }

  const socket = plain(address, {
    ...options,
    async token() {
      await ask();
      if (left() <= 0) await fresh();
      return token;
    },
    tabs: tabs && { turn: () => tabs.turn(), refresh: (hook) => tabs.refresh(hook, asked) },
  });
  socket.addEventListener("statechange", plan);
  return socket;
}
