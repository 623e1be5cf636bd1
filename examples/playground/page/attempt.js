// What a script can do and see of a WebSocket: nothing here knows the server.

// attempt opens one, says hello, and resolves to what the script got to know. When it is answered it hangs up, or does what it is
// given instead.
export function attempt(url, protocols, answered = (socket) => socket.close(1000)) {
  return new Promise((resolve, reject) => {
    const seen = { open: false };
    const socket = new WebSocket(url, protocols);
    socket.onopen = () => {
      seen.open = true;
      socket.send("hello");
    };
    socket.onmessage = (event) => {
      seen.message = event.data;
      Promise.resolve(answered(socket)).catch(reject);
    };
    socket.onclose = ({ code, reason, wasClean }) => resolve({ ...seen, code, reason, wasClean });
  });
}

// parseReason reads "slug;do=action;after=seconds". Parameters that it does not know it passes over.
export function parseReason(reason) {
  const [slug, ...params] = reason.split(";");
  const said = Object.fromEntries(params.map((param) => param.split("=", 2)));
  return { slug, action: said.do ?? "", after: said.after ? `${said.after}s` : "" };
}
