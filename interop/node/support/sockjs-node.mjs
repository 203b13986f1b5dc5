// npm's sockjs, the reference server, with the usual services.

import http from "node:http";
import sockjs from "sockjs";

const server = http.createServer();
const log = () => {};

const serve = (prefix, options, onConnection) => {
  const service = sockjs.createServer({ log, sockjs_url: "/sockjs.min.js", ...options });
  service.on("connection", onConnection);
  service.installHandlers(server, { prefix });
};
const echo = (connection) => connection?.on("data", (message) => connection.write(message));

serve("/echo", { response_limit: 4096 }, echo);
serve("/disabled_websocket_echo", { websocket: false }, echo);
serve("/cookie_needed_echo", { jsessionid: true }, echo);
serve("/close", {}, (connection) => connection?.close(3000, "Go away!"));

server.listen(0, "127.0.0.1", () => console.log(`listening on 127.0.0.1:${server.address().port}`));
process.on("SIGINT", () => process.exit(0));
