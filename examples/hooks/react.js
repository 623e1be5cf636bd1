// A WebSocket for React: connected while the component is there, and what has become of it as state.
import { useCallback, useEffect, useRef, useState } from "react";
import { connect } from "wsverdict";

/**
 * @param {string} url a new one connects anew
 * @param {import("wsverdict").Options & { onMessage?: (event: MessageEvent) => void }} options the newest are used, also without a new connection
 */
export function useSocket(url, options) {
  const newest = useRef(options), socket = useRef(null);
  newest.current = options;
  const [status, setStatus] = useState({ state: "connecting", outcome: undefined, retryAt: 0 });

  useEffect(() => {
    const made = connect(url, {
      ...newest.current,
      token: newest.current.token && (() => newest.current.token()),
      refresh: newest.current.refresh && ((why) => newest.current.refresh(why)),
    });
    const show = () => setStatus({ state: made.state, outcome: made.outcome, retryAt: made.retryAt });
    made.onstatechange = show;
    made.onmessage = (event) => newest.current.onMessage?.(event);
    socket.current = made;
    show();
    return () => {
      made.onstatechange = made.onmessage = null;
      made.close();
    };
  }, [url]);

  const send = useCallback((data) => socket.current.send(data), []);
  return { ...status, send };
}
