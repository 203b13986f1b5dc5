// sockjs-client on each transport it has in Node.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import SockJS from "sockjs-client";
import { Inbox, Server, within } from "../support/server.js";

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

async function connect(transport) {
  const sockjs = new SockJS(`http://${server.http}/echo`, null, { transports: [transport] });
  sockjs.inbox = new Inbox();
  sockjs.closed = new Promise((resolve) => (sockjs.onclose = resolve));
  sockjs.onmessage = ({ data }) => sockjs.inbox.push(data);
  await within(new Promise((resolve) => (sockjs.onopen = resolve)), `open over ${transport}`);
  assert.equal(sockjs.transport, transport);
  return sockjs;
}

const AWKWARD = [
  "",
  "plain",
  '"quoted" \\ back',
  "\0\b\t\n\f\r\x1f\x7f",
  "\u200c\u200f\u2028\u202f\u2060\u206f\ufff0\uffff",
  "grüße 😀 \u{10ffff}",
  "a[\"o\"]\nh\nc[3000]",
  "x".repeat(200_000),
];

for (const transport of ["websocket", "xhr-streaming", "xhr-polling"]) {
  describe(transport, () => {
    test("echoes awkward strings", async () => {
      const sockjs = await connect(transport);
      for (const text of AWKWARD) sockjs.send(text);
      for (const text of AWKWARD) assert.equal(await sockjs.inbox.next(), text);
      sockjs.close();
      await within(sockjs.closed, "close");
    });

    test("keeps a thousand messages in order", async () => {
      const sockjs = await connect(transport);
      for (let n = 0; n < 1000; n++) sockjs.send(`${n}`);
      for (let n = 0; n < 1000; n++) assert.equal(await sockjs.inbox.next(), `${n}`);
      sockjs.close();
      await within(sockjs.closed, "close");
    });
  });
}

test("greeting and info", async () => {
  const greeting = await fetch(`http://${server.http}/echo`);
  assert.equal(await greeting.text(), "Welcome to SockJS!\n");
  const info = await (await fetch(`http://${server.http}/echo/info`)).json();
  assert.equal(info.websocket, true);
  assert.deepEqual(info.origins, ["*:*"]);
  const another = await (await fetch(`http://${server.http}/echo/info`)).json();
  assert.notEqual(info.entropy, another.entropy);
});

test("a foreign origin is 403", async () => {
  const headers = { origin: "http://evil.example" };
  const info = await fetch(`http://${server.http}/echo/info`, { headers });
  assert.equal(info.status, 403);
});
