// A server with the npm package ws that refuses by close code: node ws.js
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const http = createServer();
const server = new WebSocketServer({ server: http });
const tooMany = ({ url }) => !url.includes("user=ada");

server.on("connection", (socket, request) => {
  if (tooMany(request)) return socket.close(4429, "rate_limited;do=backoff;after=30");
  socket.send("hello");
});

http.listen(process.argv[2] == "--fd" ? { fd: Number(process.argv[3]) } : { port: 8000 });
