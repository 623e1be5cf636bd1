// A WebSocket as a Svelte store: connected while somebody subscribes, $socket is what has become of it.
import { readable } from "svelte/store";
import { connect } from "wsverdict";

/**
 * @param {string} url
 * @param {import("wsverdict").Options & { onMessage?: (event: MessageEvent) => void }} [options]
 */
export function socketStore(url, { onMessage, ...options } = {}) {
  let socket;
  const { subscribe } = readable({ state: "connecting", outcome: undefined, retryAt: 0 }, (set) => {
    socket = connect(url, options);
    socket.onmessage = onMessage;
    socket.onstatechange = () => set({ state: socket.state, outcome: socket.outcome, retryAt: socket.retryAt });
    socket.onstatechange();
    return () => {
      socket.onstatechange = socket.onmessage = null;
      socket.close();
    };
  });
  return { subscribe, send: (data) => socket.send(data) };
}
