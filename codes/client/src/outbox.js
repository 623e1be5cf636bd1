/** @import { Data } from "./types.js" */

/**
 * What one socket was given to send: what of it is surely not gone yet, and whether it moves at all.
 *
 * @param {WebSocket} socket
 * @param {number} keep how many bytes are remembered although they have left, until the server has spoken
 * @param {number} patience how many milliseconds bytes may wait without moving
 * @param {() => void} stuck called when they did not move in that time
 */
export function outbox(socket, keep, patience, stuck) {
  /** @type {{ data: Data, end: number }[]} */
  const given = [];
  let total = 0, count = 0, before = -1, trusted = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let watch;
  const forget = () => {
    const left = total - socket.bufferedAmount;
    while (given.length && given[0].end <= left && (trusted || total - given[0].end >= keep)) given.shift();
    return left;
  };
  return {
    /** @param {Data} data */
    send(data) {
      const buffered = socket.bufferedAmount;
      socket.send(/** @type {any} */ (data));
      total += socket.bufferedAmount - buffered; // its size, as the socket counts
      count++;
      given.push({ data, end: total });
      forget();
      watch ??= setInterval(() => {
        const left = forget();
        if (left == before && socket.bufferedAmount) stuck();
        before = socket.bufferedAmount ? left : -1; // what is first seen now may stay until the next look
      }, patience);
    },
    /** The server has spoken: it has admitted this connection. */
    trust: () => (trusted = true),
    /** The socket is gone. */
    end() {
      clearInterval(watch);
      forget();
      return { messages: given.map(({ data }) => data), handed: count };
    },
  };
}
