/** @import { Outcome, Tabs } from "./types.js" */

/** @type {WeakMap<object, Promise<any>>} */
const running = new WeakMap();

/**
 * Calls a function, unless a call for the same key is under way, whose result then serves all.
 *
 * @template T
 * @param {object} key
 * @param {() => T | Promise<T>} call
 * @returns {Promise<T>}
 */
export function once(key, call) {
  let run = running.get(key);
  if (!run) {
    run = (async () => call())().finally(() => running.delete(key));
    running.set(key, run);
  }
  return run;
}

/**
 * Refreshes: one call at a time, of all connections that have the same function, and of all tabs.
 *
 * @param {((outcome: Outcome | undefined) => unknown) | undefined} refresh
 * @param {Outcome | undefined} why
 * @param {Tabs | undefined} tabs
 * @param {number} since when the token was asked for that is refreshed
 */
export async function refreshOnce(refresh, why, tabs, since) {
  if (!refresh) return;
  const hook = () => refresh(why);
  await once(refresh, () => (tabs ? tabs.refresh(hook, since) : hook()));
}
