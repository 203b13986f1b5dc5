// Starting where something else listens, and stopping while peers do not answer.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { spawn } from "node:child_process";
import WebSocket from "ws";
import { Raw, Server, within } from "../support/server.js";

for (const signal of ["SIGINT", "SIGTERM"]) {
  test(`${signal} tells every session, and does not wait for the deaf`, async () => {
    const server = await Server.start();
    const socket = new WebSocket(`ws://${server.http}/websocket/8`);
    const closed = once(socket, "close");
    await within(once(socket, "message"), "welcome");
    const { run } = await (await fetch(`http://${server.http}/lab/runs`, { method: "POST" })).json();
    const lab = new WebSocket(`ws://${server.http}/lab/runs/${run}/a/websocket`);
    const labClosed = once(lab, "close");
    await within(once(lab, "open"), "the lab's WebSocket");
    const labStream = await Raw.connect(server.httpPort);
    labStream.write(`GET /lab/runs/${run}/b/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    await labStream.until("1\r\n\n\r\n");
    const stream = await Raw.connect(server.httpPort);
    stream.write("POST /echo/000/s/xhr_streaming HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    await stream.until("\r\no\n");
    const stomp = await Raw.connect(server.stompPort);
    stomp.write("CONNECT\n\n\0");
    await stomp.until("\0");
    const deaf = await Raw.connect(server.httpPort);
    await deaf.upgrade("/websocket/9");
    const idle = await Raw.connect(server.httpPort);

    await server.stop(signal);
    assert.equal((await closed)[0], 1001);
    assert.equal((await labClosed)[0], 1001);
    assert.match(await labStream.toEnd(), /^0\r\n/);
    assert.match(await stream.toEnd(), /c\[1001,/);
    assert.match(await stomp.toEnd(), /ERROR\nmessage:server is shutting down\n/);
    deaf.socket.destroy();
    idle.socket.destroy();
  });
}

/// Starts a server that cannot start; its complaint.
async function complaint(...flags) {
  const child = spawn(process.env.TIDINGS_BIN ?? "../../target/debug/tidings", flags);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  const [code] = await within(once(child, "close"), "it ends");
  assert.notEqual(code, 0);
  return stderr;
}

test("a taken port is one line that names the port and the flag", async () => {
  const server = await Server.start();
  const http = await complaint("--listen", server.http, "--stomp-listen", "off");
  assert.equal(http.trim().split("\n").length, 1, http);
  assert.ok(http.includes(String(server.httpPort)) && http.includes("--listen"), http);
  const stomp = await complaint("--listen", "127.0.0.1:0", "--stomp-listen", server.stomp);
  assert.equal(stomp.trim().split("\n").length, 1, stomp);
  assert.ok(stomp.includes(String(server.stompPort)) && stomp.includes("--stomp-listen"), stomp);
  await server.stop();
});

test("STOMP over TCP can be off", async () => {
  const server = await Server.start("--stomp-listen", "off");
  assert.equal(server.stomp, "off");
  await server.stop();
});
