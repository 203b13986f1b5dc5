// npm's `ws` against both ways of writing the same endpoint.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import WebSocket from "ws";
import { Inbox, Raw, Server, within } from "../support/server.js";

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

async function connect(path, options) {
  const socket = new WebSocket(`ws://${server.http}${path}`, options);
  socket.inbox = new Inbox();
  socket.on("message", (data, isBinary) => socket.inbox.push(isBinary ? data : data.toString()));
  socket.closed = once(socket, "close");
  await within(once(socket, "open"), "open");
  return socket;
}

/// The status that an upgrade is refused with.
async function refused(path, options) {
  const socket = new WebSocket(`ws://${server.http}${path}`, options);
  const [, response] = await within(once(socket, "unexpected-response"), "a refusal");
  return response.statusCode;
}

for (const path of ["/websocket", "/programmatic"]) {
  describe(path, () => {
    test("welcomes, and tells everybody what one says", async () => {
      const first = await connect(`${path}/8`);
      assert.equal(await first.inbox.next(), "Welcome, user 8. Open sessions: 1.");
      const second = await connect(`${path}/9`);
      assert.equal(await second.inbox.next(), "Welcome, user 9. Open sessions: 2.");
      first.send("hello");
      assert.equal(await first.inbox.next(), "user 8: hello");
      assert.equal(await second.inbox.next(), "user 8: hello");
      first.close();
      second.close();
      await Promise.all([first.closed, second.closed]);
    });

    test("keeps order, whatever the size", async () => {
      const socket = await connect(`${path}/8`);
      await socket.inbox.next();
      const texts = Array.from({ length: 500 }, (_, n) => `${n} ${"x".repeat(n % 7 ? n : n * 100)}`);
      for (const text of texts) socket.send(text);
      for (const text of texts) assert.equal(await socket.inbox.next(), `user 8: ${text}`);
      socket.terminate();
    });

    test("closes with the code and reason it is asked for", async () => {
      const socket = await connect(`${path}/8`);
      socket.send("close 4001 bye");
      const [code, reason] = await within(socket.closed, "close");
      assert.deepEqual([code, reason.toString()], [4001, "bye"]);
    });

    test("answers a failure, and stays open", async () => {
      const socket = await connect(`${path}/8`);
      await socket.inbox.next();
      socket.send("fail");
      assert.match(await socket.inbox.next(), /^error: /);
      socket.send(Buffer.from([0, 1, 255]));
      assert.deepEqual(await socket.inbox.next(), Buffer.from([0, 1, 255]));
      socket.terminate();
    });

    test("puts fragments together, and answers pings between them", async () => {
      const socket = await connect(`${path}/8`);
      await socket.inbox.next();
      socket.send("frag", { fin: false });
      const pong = once(socket, "pong");
      socket.ping("are you there");
      assert.equal((await within(pong, "pong"))[0].toString(), "are you there");
      socket.send("ments", { fin: true });
      assert.equal(await socket.inbox.next(), "user 8: fragments");
      socket.terminate();
    });
  });
}

test("a path parameter that is no number is 400 before the upgrade", async () => {
  assert.equal(await refused("/websocket/eight"), 400);
});

test("a foreign origin is 403 on every door, the same origin and none are let in", async () => {
  for (const path of ["/websocket/8", "/programmatic/8", "/echo/websocket", "/gs-guide-websocket"]) {
    assert.equal(await refused(path, { origin: "http://evil.example" }), 403, path);
    (await connect(path, { origin: `http://${server.http}` })).terminate();
    (await connect(path)).terminate();
  }
});

test("the handshake is RFC 6455's", async () => {
  const raw = await Raw.connect(server.httpPort);
  const head = (await raw.upgrade("/websocket/8")).toLowerCase();
  assert.match(head, /^http\/1\.1 101 /);
  assert.match(head, /sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk\+xoo=/);
  raw.socket.destroy();
});
