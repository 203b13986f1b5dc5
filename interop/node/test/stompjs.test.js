// What the tests of @stomp/stompjs try with a RabbitMQ, tried with our server: by WebSocket and by SockJS.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { TickerStrategy, Versions } from "@stomp/stompjs";
import SockJS from "sockjs-client";
import WebSocket from "ws";
import { Inbox, Server, within } from "../support/server.js";
import { STOMP_PATH, confirmed, connect, makeClient, subscribe } from "../support/stomp.js";

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

const sockjs = () => new SockJS(`http://${server.http}${STOMP_PATH}`);

/// A destination that no other test has.
let last = 0;
const destination = (kind) => `/${kind}/stompjs-${++last}`;

const DOORS = { WebSocket: {}, SockJS: { webSocketFactory: sockjs } };

for (const [door, options] of Object.entries(DOORS)) {
  describe(`over ${door}`, () => {
    test("a text of a megabyte, in one piece and in many", async () => {
      for (const split of [{}, { splitLargeFrames: true }]) {
        const client = await connect(server, { ...options, ...split });
        const topic = destination("topic");
        const inbox = await subscribe(client, topic);
        // No character beyond 16 bits: stompjs splits those in two.
        const body = "grüße € ".repeat(90_000);
        client.publish({ destination: topic, body });
        assert.ok((await inbox.next("a large MESSAGE")).body === body);
        await client.deactivate();
      }
    });

    test("values of headers with every octet that has to be escaped", async () => {
      const client = await connect(server, options);
      const topic = destination("topic");
      const inbox = await subscribe(client, topic);
      // A backslash before a c, n or r would meet a defect of stompjs, which undoes escapes one kind at a time.
      const headers = { odd: "c:d\ne\\f\rg", grüße: "😀", empty: "" };
      client.publish({ destination: topic, body: "x", headers });
      const message = await inbox.next("MESSAGE");
      for (const [name, value] of Object.entries(headers)) assert.equal(message.headers[name], value);
      await client.deactivate();
    });

    test("an empty body, JSON, and a body that is all line ends", async () => {
      const client = await connect(server, options);
      const topic = destination("topic");
      const inbox = await subscribe(client, topic);
      for (const body of ["", JSON.stringify({ text: "hello", bool: true, value: Math.PI }), "\n\n\n"]) {
        client.publish({ destination: topic, body });
        assert.equal((await inbox.next("MESSAGE")).body, body);
      }
      await client.deactivate();
    });

    test("receipts of SEND, SUBSCRIBE, UNSUBSCRIBE and DISCONNECT", async () => {
      const client = await connect(server, options);
      const topic = destination("topic");
      const inbox = await subscribe(client, topic);
      await confirmed(client, (receipt) =>
        client.publish({ destination: topic, body: "seen", headers: { receipt } }),
      );
      assert.equal((await inbox.next("MESSAGE")).body, "seen");
      await confirmed(client, (receipt) => inbox.subscription.unsubscribe({ receipt }));
      await confirmed(client, (receipt) =>
        client.publish({ destination: topic, body: "not seen", headers: { receipt } }),
      );
      assert.equal(inbox.size, 0);
      const left = new Inbox();
      client.disconnectHeaders = { receipt: "bye" };
      client.onDisconnect = (frame) => left.push(frame);
      client.deactivate();
      assert.equal((await left.next("receipt of DISCONNECT")).headers["receipt-id"], "bye");
    });

    test("client and client-individual acknowledgements", async () => {
      const queue = destination("queue");
      const producer = await connect(server, options);
      for (const body of ["1", "2", "3"]) {
        await confirmed(producer, (receipt) =>
          producer.publish({ destination: queue, body, headers: { receipt } }),
        );
      }
      for (const [ack, acknowledged, left] of [
        ["client-individual", 1, ["1", "3"]],
        ["client", 0, ["3"]],
      ]) {
        const client = await connect(server, options);
        const inbox = await subscribe(client, queue, { ack });
        const messages = [];
        while (messages.length < left.length + 1) messages.push(await inbox.next("MESSAGE"));
        await confirmed(client, (receipt) => messages[acknowledged].ack({ receipt }));
        await client.deactivate();
      }
      const client = await connect(server, options);
      const inbox = await subscribe(client, queue);
      const message = await inbox.next("what is left");
      assert.deepEqual([message.body, message.headers.redelivered], ["3", "true"]);
      await client.deactivate();
      await producer.deactivate();
    });

    test("a reconnection after the server was away, with what the page does in onConnect", async () => {
      const own = await Server.start();
      const client = makeClient(own, {
        ...options,
        ...(door === "SockJS" && {
          webSocketFactory: () => new SockJS(`http://${own.http}${STOMP_PATH}`),
        }),
        reconnectDelay: 50,
      });
      const inbox = new Inbox();
      const subscribed = new Inbox();
      client.onConnect = async () => {
        client.watchForReceipt("again", () => subscribed.push());
        client.subscribe("/topic/again", (message) => inbox.push(message), { receipt: "again" });
      };
      client.activate();
      await subscribed.next("the subscription");
      await own.stop();
      const next = await Server.start("--listen", own.http);
      await subscribed.next("the subscription after the restart");
      client.publish({ destination: "/topic/again", body: "back" });
      assert.equal((await inbox.next("MESSAGE")).body, "back");
      await client.deactivate();
      await next.stop();
    });

    test("heart-beats both ways, and none if nobody wants them", async () => {
      const lines = new Inbox();
      const client = await connect(server, {
        ...options,
        heartbeatIncoming: 1000,
        heartbeatOutgoing: 1000,
        heartbeatStrategy: TickerStrategy.Interval,
        debug: (line) => /P[IO]NG$/.test(line) && lines.push(line),
      });
      const seen = new Set();
      while (seen.size < 2) seen.add((await lines.next("heart-beats")).trim());
      assert.ok(client.connected);
      await client.deactivate();
      const quiet = await connect(server, { ...options, heartbeatIncoming: 0, heartbeatOutgoing: 0 });
      assert.match(quiet.connectedFrame.headers["heart-beat"] ?? "0,0", /^\d+,\d+$/);
      await quiet.deactivate();
    });

    test("a second subscription with the same id is an error", async () => {
      const client = await connect(server, options);
      await subscribe(client, destination("topic"), { id: "same" });
      client.subscribe(destination("topic"), () => {}, { id: "same" });
      const error = await client.errors.next("ERROR");
      assert.ok(error.headers.message && error.body);
      await client.deactivate();
    });
  });
}

describe("binary and text frames", () => {
  const octets = Uint8Array.from({ length: 1_048_576 }, (_, n) => n % 256);

  for (const options of [
    { forceBinaryWSFrames: true },
    { splitLargeFrames: true },
    { forceBinaryWSFrames: true, splitLargeFrames: true },
    { appendMissingNULLonIncoming: true },
  ]) {
    test(`a binary body with ${JSON.stringify(options)}`, async () => {
      const client = await connect(server, options);
      const topic = destination("topic");
      const inbox = await subscribe(client, topic);
      client.publish({ destination: topic, binaryBody: octets });
      const message = await inbox.next("MESSAGE");
      assert.ok(Buffer.compare(message.binaryBody, octets) === 0);
      client.publish({ destination: topic, body: "text after it" });
      assert.equal((await inbox.next("MESSAGE")).body, "text after it");
      await client.deactivate();
    });
  }

  test("a body with NULs in it ends where content-length says", async () => {
    const client = await connect(server);
    const topic = destination("topic");
    const inbox = await subscribe(client, topic);
    client.publish({ destination: topic, binaryBody: new Uint8Array([0, 0, 97, 0]) });
    assert.deepEqual([...(await inbox.next("MESSAGE")).binaryBody], [0, 0, 97, 0]);
    client.publish({ destination: topic, body: "no length", skipContentLengthHeader: true });
    assert.equal((await inbox.next("MESSAGE")).body, "no length");
    await client.deactivate();
  });

  test("several frames in one message, and one frame in several", async () => {
    const socket = new WebSocket(`ws://${server.http}${STOMP_PATH}`, "v12.stomp");
    const received = new Inbox();
    socket.on("message", (data) => received.push(String(data)));
    await within(new Promise((resolve) => socket.on("open", resolve)), "open");
    for (const octet of "CONNECT\naccept-version:1.2\nhost:/\n\n\0") socket.send(octet);
    assert.match(await received.next("CONNECTED"), /^CONNECTED\n/);
    const topic = destination("topic");
    const subscribing = `SUBSCRIBE\nid:a\ndestination:${topic}\nreceipt:r\n\n\0`;
    socket.send(`\n\n${subscribing}\n\nSEND\ndestination:${topic}\n\nboth\0`);
    assert.match(await received.next("RECEIPT"), /^RECEIPT\nreceipt-id:r\n/);
    assert.match(await received.next("MESSAGE"), /\n\nboth\0$/);
    socket.terminate();
  });
});

describe("versions and connections", () => {
  for (const version of ["1.0", "1.1", "1.2"]) {
    test(`transactions, and receipts of their frames, in ${version}`, async () => {
      const client = await connect(server, { stompVersions: new Versions([version]) });
      assert.equal(client.connectedVersion, version);
      const queue = destination("queue");
      const inbox = await subscribe(client, queue);
      const aborted = client.begin();
      client.publish({ destination: queue, body: "never", headers: { transaction: aborted.id } });
      aborted.abort();
      const committed = client.begin("mine");
      client.publish({ destination: queue, body: "later", headers: { transaction: "mine" } });
      client.publish({ destination: queue, body: "now" });
      committed.commit();
      assert.equal((await inbox.next("MESSAGE")).body, "now");
      assert.equal((await inbox.next("MESSAGE")).body, "later");
      await client.deactivate();
    });
  }

  test("CONNECTED says who answers, and which session it is", async () => {
    const client = await connect(server, { connectHeaders: { login: "guest", passcode: "guest", host: "/" } });
    const { headers } = client.connectedFrame;
    assert.match(headers.server, /^tidings\//);
    assert.ok(headers.session);
    assert.equal(headers.version, "1.2");
    await client.deactivate();
  });

  test("a version that nobody speaks is refused with those that are spoken", async () => {
    const socket = new WebSocket(`ws://${server.http}${STOMP_PATH}`);
    const received = new Inbox();
    socket.on("message", (data) => received.push(String(data)));
    const closed = new Promise((resolve) => socket.on("close", resolve));
    await within(new Promise((resolve) => socket.on("open", resolve)), "open");
    socket.send("CONNECT\naccept-version:2.7\nhost:/\n\n\0");
    assert.match(await received.next("ERROR"), /^ERROR\n(.+\n)*version:.*1\.2/);
    await within(closed, "the end");
  });

  test("a client that leaves without a word gives back what it had", async () => {
    const queue = destination("queue");
    const rude = await connect(server);
    const inbox = await subscribe(rude, queue, { ack: "client" });
    rude.publish({ destination: queue, body: "given back" });
    await inbox.next("MESSAGE");
    rude.forceDisconnect();
    const client = await connect(server);
    const again = await (await subscribe(client, queue)).next("MESSAGE");
    assert.deepEqual([again.body, again.headers.redelivered], ["given back", "true"]);
    await client.deactivate();
    await rude.deactivate();
  });

  test("messages of many subscriptions go to each of them", async () => {
    const client = await connect(server);
    const topics = Array.from({ length: 50 }, () => destination("topic"));
    const inboxes = await Promise.all(topics.map((topic) => subscribe(client, topic)));
    topics.forEach((topic) => client.publish({ destination: topic, body: topic }));
    for (const [n, inbox] of inboxes.entries()) assert.equal((await inbox.next()).body, topics[n]);
    await client.deactivate();
  });
});
