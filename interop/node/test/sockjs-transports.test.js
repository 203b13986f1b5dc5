// sockjs-client in a real browser, on every transport that it has there.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch } from "../support/browser.js";
import { Nginx } from "../support/nginx.js";
import { Example, PATIENCE_MS } from "../support/server.js";

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
const CROSS_ORIGIN = SAME_ORIGIN.filter((transport) => transport !== "htmlfile");

const AWKWARD = [
  "",
  "100% %41",
  '"quoted" \\ back',
  "\0\b\t\n\f\r\x1f\x7f",
  "\u200c\u200f\u2028\u202f\u2060\u206f\ufff0\uffff",
  "gr\u00fc\u00dfe \u{1f600} \u{10ffff}",
  "</script><script>parent.hacked = true</script>",
  'a["o"]\nh\nc[3000]',
];

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

/// A page of `host` with the client, whose `connect` opens sessions with the services at the port.
async function open(host, port) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.failures = [];
  page.on("pageerror", (error) => page.failures.push(String(error)));
  await page.goto(`http://${host}:${port}/echo`);
  await page.addScriptTag({ url: "/sockjs.min.js" });
  await page.evaluate((base) => {
    window.connect = (service, transport) => {
      const sockjs = new SockJS(base + service, null, { transports: [transport], timeout: 15_000 });
      const events = [];
      const waiting = [];
      const tell = (event) => (waiting.length > 0 ? waiting.shift()(event) : events.push(event));
      sockjs.onopen = () => tell({ type: "open", transport: sockjs.transport });
      sockjs.onmessage = ({ data }) => tell({ type: "message", data });
      sockjs.onclose = ({ code, reason, wasClean }) => tell({ type: "close", code, reason, wasClean });
      sockjs.next = () => {
        if (events.length > 0) return Promise.resolve(events.shift());
        if (sockjs.readyState === SockJS.CLOSED) return Promise.resolve({ type: "nothing more" });
        return new Promise((resolve) => waiting.push(resolve));
      };
      return sockjs;
    };
  }, `http://127.0.0.1:${port}`);
  page.done = async () => {
    assert.deepEqual(page.failures, []);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    await context.close();
  };
  return page;
}

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
