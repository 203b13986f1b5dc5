// @stomp/stompjs, over WebSocket and SockJS, beside a person on TCP.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Versions } from "@stomp/stompjs";
import SockJS from "sockjs-client";
import { Inbox, Raw, Server } from "../support/server.js";
import { connect as connectTo, subscribe } from "../support/stomp.js";

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

const connect = (options) => connectTo(server, options);

async function person() {
  const raw = await Raw.connect(server.stompPort);
  raw.write("CONNECT\r\naccept-version:1.2\r\nhost:x\r\n\r\n\0\r\n");
  assert.match(await raw.until("\0"), /CONNECTED\n/);
  return raw;
}

for (const version of ["1.0", "1.1", "1.2"]) {
  test(`the greeting of Spring's guide, in version ${version}`, async () => {
    const client = await connect({ stompVersions: new Versions([version]) });
    assert.equal(client.connectedVersion, version);
    const greetings = await subscribe(client, "/topic/greetings");
    client.publish({ destination: "/app/hello", body: JSON.stringify({ name: "<b>Ann</b>" }) });
    const greeting = await greetings.next("greeting");
    assert.deepEqual(JSON.parse(greeting.body), { content: "Hello, &lt;b&gt;Ann&lt;/b&gt;!" });
    assert.equal(greeting.headers["content-type"], "application/json");
    await client.deactivate();
  });
}

test("one message reaches WebSocket, SockJS and TCP, headers and body unharmed", async () => {
  const websocket = await connect();
  const sockjs = await connect({
    webSocketFactory: () => new SockJS(`http://${server.http}/gs-guide-websocket`),
  });
  const telnet = await person();
  telnet.write("SUBSCRIBE\r\nid:t\r\ndestination:/topic/doors\r\nreceipt:r\r\n\r\n\0");
  await telnet.until("receipt-id:r\n\n\0");
  const inboxes = [
    await subscribe(websocket, "/topic/doors"),
    await subscribe(sockjs, "/topic/doors"),
  ];

  // A backslash before a c would meet a defect of stompjs, which undoes escapes one kind at a time.
  const header = "a:b\\d\ne";
  const body = "grüße 😀";
  for (const sender of [websocket, sockjs]) {
    sender.publish({ destination: "/topic/doors", body, headers: { odd: header } });
    for (const inbox of inboxes) {
      const message = await inbox.next("MESSAGE");
      assert.deepEqual([message.body, message.headers.odd], [body, header]);
    }
    const seen = Buffer.from(await telnet.until("\0"), "latin1").toString();
    assert.ok(seen.includes("odd:a\\cb\\\\d\\ne\n") && seen.endsWith(`\n\n${body}\0`), seen);
  }
  telnet.write("SEND\r\ndestination:/topic/doors\r\n\r\nby hand\0");
  for (const inbox of inboxes) assert.equal((await inbox.next()).body, "by hand");
  await websocket.deactivate();
  await sockjs.deactivate();
  telnet.socket.destroy();
});

test("a binary body arrives octet for octet", async () => {
  const client = await connect();
  const inbox = await subscribe(client, "/topic/binary");
  const binaryBody = Uint8Array.from([0, 255, 128, 0, 10, 13]);
  client.publish({ destination: "/topic/binary", binaryBody });
  assert.deepEqual((await inbox.next()).binaryBody, binaryBody);
  await client.deactivate();
});

test("queues share work, and take back what is not acknowledged", async () => {
  const [one, two] = [await connect(), await connect()];
  const individual = { ack: "client-individual", "prefetch-count": "1" };
  const first = await subscribe(one, "/queue/work", individual);
  const second = await subscribe(two, "/queue/work", individual);
  for (const body of ["a", "b"]) one.publish({ destination: "/queue/work", body });
  const [a, b] = [await first.next("a share"), await second.next("a share")];
  assert.deepEqual([a.body, b.body].sort(), ["a", "b"]);
  b.ack();
  a.nack();
  const again = await Promise.race([first.next("a again"), second.next("a again")]);
  assert.deepEqual([again.body, again.headers.redelivered], [a.body, "true"]);
  again.ack();
  await one.deactivate();
  await two.deactivate();
});

test("a transaction takes effect at its commit, or never", async () => {
  const client = await connect();
  const inbox = await subscribe(client, "/topic/tx");
  const send = (transaction, body) =>
    client.publish({ destination: "/topic/tx", body, headers: transaction ? { transaction } : {} });
  const aborted = client.begin();
  send(aborted.id, "aborted");
  aborted.abort();
  const committed = client.begin();
  send(committed.id, "committed");
  send(null, "at once");
  committed.commit();
  assert.equal((await inbox.next()).body, "at once");
  assert.equal((await inbox.next()).body, "committed");
  await client.deactivate();
});

test("a thousand messages keep their order", async () => {
  const client = await connect();
  const inbox = await subscribe(client, "/topic/order");
  for (let n = 0; n < 1000; n++) client.publish({ destination: "/topic/order", body: `${n}` });
  for (let n = 0; n < 1000; n++) assert.equal((await inbox.next()).body, `${n}`);
  await client.deactivate();
});

test("heart-beats keep an idle session alive both ways", async () => {
  const beats = new Inbox();
  const client = await connect({
    heartbeatIncoming: 10_000,
    heartbeatOutgoing: 10_000,
    heartbeatToleranceMultiplier: 1.5,
    debug: (line) => line.includes("PONG") && beats.push(line),
  });
  await beats.next("a heart-beat of the server");
  assert.ok(client.connected);
  await client.deactivate();
});

test("an error is told with what to do, and ends the session", async () => {
  const client = await connect();
  client.publish({ destination: "/nowhere/at-all", body: "x", headers: { receipt: "r7" } });
  const error = await client.errors.next("ERROR");
  assert.equal(error.headers["receipt-id"], "r7");
  assert.ok(error.body.length > 0);
  await client.deactivate();
});
