/** @import { Tabs } from "./types.js" */

/**
 * @typedef {object} TabsOptions
 * @property {number} [gap] how many milliseconds lie between the attempts of two tabs; 1000
 * @property {number} [patience] how many milliseconds a hidden tab waits for the others at least, at most twice as many; 60000
 * @property {(value: unknown) => void} [refreshed] gets what `refresh` returned in another tab: the new token, say
 */

/**
 * For the option `tabs`: the tabs of a browser, and the workers, that give the same name take turns when they connect, and refresh once for all.
 * Where the browser has no Web Locks, as on pages without TLS, each tab is on its own.
 *
 * @param {string} name one for each user and server
 * @param {TabsOptions} [options]
 * @returns {Tabs}
 */
export function tabs(name, { gap = 1000, patience = 60000, refreshed } = {}) {
  const locks = globalThis.navigator?.locks;
  const channel = globalThis.BroadcastChannel && locks && new BroadcastChannel(`wsverdict ${name}`);
  /** When another tab last refreshed. */
  let last = -Infinity;
  /** @type {Set<AbortController>} */
  const waiting = new Set();
  if (channel) {
    channel.onmessage = ({ data: [at, value] }) => {
      last = Math.max(last, at);
      if (refreshed) refreshed(value);
      for (const wait of waiting) wait.abort();
    };
  }

  return {
    async turn() {
      if (!locks) return;
      // A tab that somebody looks at does not stand in line for long, and none waits for one that sleeps.
      const most = globalThis.document?.visibilityState == "visible" ? gap : patience * (1 + Math.random());
      const wait = new AbortController();
      const timer = setTimeout(() => wait.abort(), most);
      await new Promise((resolve) => {
        const mine = () => {
          clearTimeout(timer);
          resolve(0);
          return new Promise((free) => setTimeout(free, gap));
        };
        locks.request(`wsverdict ${name} turn`, { signal: wait.signal }, mine).catch(resolve);
      });
    },

    async refresh(hook, since) {
      if (!channel) return hook();
      if (last > since) return;
      const wait = new AbortController();
      waiting.add(wait);
      const mine = async () => {
        waiting.delete(wait);
        if (last > since) return;
        const value = await hook();
        last = Date.now();
        channel.postMessage([last, refreshed && value]);
        await new Promise((free) => setTimeout(free, 50)); // the others hear of it before they get the lock
      };
      try {
        await locks.request(`wsverdict ${name} refresh`, { signal: wait.signal }, mine);
      } catch (error) {
        if (!wait.signal.aborted) throw error;
      } finally {
        waiting.delete(wait);
      }
    },
  };
}
