// sockjs-client in a real browser, on every transport that it has there.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { launch } from "../support/browser.js";
import { Nginx } from "../support/nginx.js";
import { Example } from "../support/server.js";
import { AWKWARD, openPage } from "../support/sockjs-page.js";

const SAME_ORIGIN = [
  "websocket",
  "xhr-streaming",
  "eventsource",
  "iframe-eventsource",
  "htmlfile",
  "iframe-htmlfile",
  "xhr-polling",
  "iframe-xhr-polling",
  "jsonp-polling",
];
/// Of each kind one: a WebSocket, a stream, events and polls.
const RESTARTED = ["websocket", "xhr-streaming", "eventsource", "xhr-polling"];
const CROSS_ORIGIN = SAME_ORIGIN.filter((transport) => transport !== "htmlfile");

let server;
let nginx;
let browser;
before(async () => {
  server = await Example.start("sockjs_conformance");
  nginx = await Nginx.start(server.http);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await nginx?.stop();
  await server.stop();
});

const open = (host, port) => openPage(browser, { host, port, script: { url: "/sockjs.min.js" } });

for (const [where, host, port, transports] of [
  ["same-origin", "127.0.0.1", () => server.port, SAME_ORIGIN],
  ["cross-origin", "localhost", () => server.port, CROSS_ORIGIN],
  ["behind nginx", "127.0.0.1", () => nginx.port, SAME_ORIGIN],
]) {
  for (const transport of transports) {
    describe(`${transport}, ${where}`, () => {
      test("opens, echoes awkward strings, closes", async () => {
        const page = await open(host, port());
        const got = await page.evaluate(
          async ([transport, sent]) => {
            const sockjs = connect("/echo", transport);
            const events = [await sockjs.next()];
            for (const text of sent) sockjs.send(text);
            for (const _ of sent) events.push(await sockjs.next());
            sockjs.send("x\ud800y");
            events.push(await sockjs.next());
            const large = "z".repeat(1_000_000);
            sockjs.send(large);
            events.push((await sockjs.next()).data === large);
            sockjs.close();
            events.push(await sockjs.next());
            return events;
          },
          [transport, AWKWARD],
        );
        const message = (data) => ({ type: "message", data });
        assert.deepEqual(got, [
          { type: "open", transport },
          ...AWKWARD.map(message),
          message("x\ufffdy"),
          true,
          { type: "close", code: 1000, reason: "Normal closure", wasClean: true },
        ]);
        await page.done();
      });

      test("hears why the server closes", async () => {
        const page = await open(host, port());
        const got = await page.evaluate(async (transport) => {
          const sockjs = connect("/close", transport);
          return [await sockjs.next(), await sockjs.next()];
        }, transport);
        assert.deepEqual(got, [
          { type: "open", transport },
          { type: "close", code: 3000, reason: "Go away!", wasClean: true },
        ]);
        await page.done();
      });
    });
  }
}

describe("a server that is killed and started again", () => {
  test("has lost its sessions, which every transport notices", async () => {
    const killed = await Example.start("sockjs_conformance");
    const page = await openPage(browser, {
      host: "127.0.0.1",
      port: killed.port,
      script: { url: "/sockjs.min.js" },
    });
    const opened = await page.evaluate(async (transports) => {
      window.sockets = [];
      // One after the other: a browser has six connections to a server.
      const opened = [];
      for (const transport of transports) {
        const sockjs = connect("/broadcast", transport);
        sockets.push(sockjs);
        opened.push((await sockjs.next()).transport);
      }
      return opened;
    }, RESTARTED);
    assert.deepEqual(opened, RESTARTED);
    killed.process.kill("SIGKILL");
    await once(killed.process, "exit");
    const again = await Example.start("sockjs_conformance", killed.http);
    const ends = await page.evaluate(() => Promise.all(sockets.map((sockjs) => sockjs.next())));
    for (const [index, { type, code, wasClean }] of ends.entries()) {
      assert.deepEqual([type, code, wasClean], ["close", 1006, false], RESTARTED[index]);
    }
    await page.context().close();
    await again.stop();
  });
});
