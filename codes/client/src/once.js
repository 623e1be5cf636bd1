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
