// Bad input is answered as its standard says, and costs that connection only.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, afterEach, before, test } from "node:test";
import WebSocket from "ws";
import { Raw, Server, within } from "../support/server.js";

let server;
before(async () => (server = await Server.start("--log", "debug")));
after(() => server.stop());

afterEach(async () => {
  const other = new WebSocket(`ws://${server.http}/websocket/1`);
  await within(once(other, "message"), "another connection works");
  other.terminate();
  assert.doesNotMatch(server.stderr, /ERROR|panicked/);
});

/// Sends octets over a WebSocket; the code that the server closes with.
async function closeCode(octets) {
  const raw = await Raw.connect(server.httpPort);
  await raw.upgrade("/websocket/8");
  await raw.frame();
  raw.write(octets);
  for (;;) {
    const { first, payload } = await raw.frame();
    if (first === 0x88) {
      await raw.toEnd();
      return payload.readUInt16BE();
    }
  }
}

const masked = (first, payload) => {
  const octets = Buffer.from(payload);
  return Buffer.concat([Buffer.from([first, 0x80 | octets.length, 0, 0, 0, 0]), octets]);
};

test("an unmasked frame is 1002", async () => {
  assert.equal(await closeCode(Buffer.from([0x81, 2, 0x68, 0x69])), 1002);
});

test("reserved bits are 1002", async () => {
  for (const first of [0xc1, 0xa1, 0x91]) assert.equal(await closeCode(masked(first, "hi")), 1002);
});

test("a reserved opcode is 1002", async () => {
  for (const first of [0x83, 0x8b]) assert.equal(await closeCode(masked(first, "hi")), 1002);
});

test("bad UTF-8 is 1007", async () => {
  assert.equal(await closeCode(masked(0x81, [0x68, 0xff])), 1007);
});

test("a length of 2^63 is 1002", async () => {
  const header = Buffer.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
  assert.equal(await closeCode(header), 1002);
});

test("an oversize message is 1009, whole or in fragments", async () => {
  const header = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
  assert.equal(await closeCode(header), 1009);
  const half = Buffer.alloc(600 * 1024, 0x61);
  const fragment = (first) => {
    const header = Buffer.from([first, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    header.writeUInt32BE(half.length, 6);
    return Buffer.concat([header, half]);
  };
  assert.equal(await closeCode(Buffer.concat([fragment(0x01), fragment(0x80)])), 1009);
});

for (const [name, frames] of [
  ["SEND before CONNECT", "SEND\ndestination:/topic/a\n\nx\0"],
  ["a header without colon", "CONNECT\nno colon\n\n\0"],
  ["a negative content-length", "CONNECT\n\n\0SEND\ndestination:/topic/a\ncontent-length:-1\n\nx\0"],
  ["an unknown command", "CONNECT\n\n\0FOO\n\n\0"],
]) {
  test(`STOMP: ${name} is ERROR, and the end`, async () => {
    const raw = await Raw.connect(server.stompPort);
    raw.write(frames);
    assert.match(await raw.toEnd(), /ERROR\nmessage:.+/);
  });
}

test("STOMP: HTTP is told where it has come to", async () => {
  const raw = await Raw.connect(server.stompPort);
  raw.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.match(await raw.toEnd(), /^HTTP\/1\.1 400 [^]*STOMP/);
});

test("garbage instead of HTTP is 400, or just the end", async () => {
  for (const garbage of ["garbage\r\n\r\n", "\x16\x03\x01\x02\x00\x01", "\0\0\0\0\r\n\r\n"]) {
    const raw = await Raw.connect(server.httpPort);
    raw.write(garbage);
    raw.socket.end();
    const answer = await raw.toEnd();
    assert.ok(answer === "" || answer.startsWith("HTTP/1.1 400 "), answer);
  }
});

test("a client that stops reading is dropped, and the others go on", async () => {
  const deaf = await Raw.connect(server.httpPort);
  await deaf.upgrade("/websocket/8");
  deaf.socket.pause();
  const talker = new WebSocket(`ws://${server.http}/websocket/9`);
  const text = "x".repeat(512 * 1024);
  let heard = 0;
  let talking = true;
  talker.on("message", (data) => {
    heard += data.length;
    if (talking) talker.send(text);
  });
  // A reset is an end too; `once` would take it for a failure.
  const closed = new Promise((resolve) => deaf.socket.once("close", resolve));
  const gone = within(closed, "the deaf client is dropped");
  // A paused socket learns of a reset only by writing.
  const probe = setInterval(() => deaf.socket.write(masked(0x8a, "")), 100);
  await gone;
  clearInterval(probe);
  talking = false;
  assert.ok(heard > 1024 * 1024, `the others heard ${heard} octets`);
  talker.terminate();
});

test("a client that sends one octet a second is cut off by the header timeout", async () => {
  const slow = await Raw.connect(server.httpPort);
  const request = "GET /websocket/8 HTTP/1.1\r\nHost: 127.0.0.1\r\n";
  let sent = 0;
  const drip = setInterval(() => slow.write(request[sent++ % request.length]), 1000);
  const answer = await slow.toEnd().finally(() => clearInterval(drip));
  assert.ok(answer === "" || answer.startsWith("HTTP/1.1 408 "), answer);
  assert.ok(sent >= 5, "it had a fair chance");
});
