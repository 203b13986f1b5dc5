// Our SockJS client for browsers in a real one, against our server and npm's.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import http from "node:http";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "../support/browser.js";
import { Nginx } from "../support/nginx.js";
import { Example, SockJsNode } from "../support/server.js";
import { AWKWARD, openPage } from "../support/sockjs-page.js";

const SCRIPT = { path: fileURLToPath(new URL("../../../clients/typescript/dist/sockjs.js", import.meta.url)) };

const TRANSPORTS = ["websocket", "xhr-streaming", "eventsource", "xhr-polling"];

let ours;
let theirs;
let nginx;
let browser;
before(async () => {
  ours = await Example.start("sockjs_conformance");
  theirs = await SockJsNode.start();
  nginx = await Nginx.start(ours.http);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await nginx?.stop();
  await theirs?.stop();
  await ours.stop();
});

const open = (port, host = "127.0.0.1") => openPage(browser, { host, port, script: SCRIPT });

for (const [where, port, host] of [
  ["of tidings", () => ours.port, "127.0.0.1"],
  ["of tidings from another origin", () => ours.port, "localhost"],
  ["of tidings behind nginx", () => nginx.port, "127.0.0.1"],
  ["of npm sockjs", () => theirs.port, "127.0.0.1"],
  ["of npm sockjs from another origin", () => theirs.port, "localhost"],
]) {
  for (const transport of TRANSPORTS) {
    describe(`tidings-sockjs: ${transport} ${where}`, () => {
      test("opens, echoes awkward strings, closes", async () => {
        const page = await open(port(), host);
        const got = await page.evaluate(
          async ([transport, sent]) => {
            const sockjs = connect("/echo", transport);
            const events = [await sockjs.next()];
            for (const text of sent) sockjs.send(text);
            for (const _ of sent) events.push(await sockjs.next());
            const large = "z".repeat(1_000_000);
            sockjs.send(large);
            events.push((await sockjs.next()).data === large);
            sockjs.send("x\ud800y");
            events.push((await sockjs.next()).data.replace(/[\ud800\ufffd]/, "?"));
            sockjs.close();
            events.push(await sockjs.next());
            return events;
          },
          [transport, AWKWARD],
        );
        assert.deepEqual(got, [
          { type: "open", transport },
          ...AWKWARD.map((data) => ({ type: "message", data })),
          true,
          "x?y",
          { type: "close", code: 1000, reason: "Normal closure", wasClean: true },
        ]);
        await page.done();
      });

      test("hears why the server closes", async () => {
        const page = await open(port(), host);
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

describe("tidings-sockjs in a browser", () => {
  for (const start of [() => Example.start("sockjs_conformance"), () => SockJsNode.start()]) {
    test("a server that is killed is noticed by every transport", async () => {
      const server = await start();
      const page = await open(server.port);
      const opened = await page.evaluate(async (transports) => {
        window.sockets = transports.map((transport) => connect("/echo", transport));
        return Promise.all(sockets.map((sockjs) => sockjs.next()));
      }, TRANSPORTS);
      assert.deepEqual(opened, TRANSPORTS.map((transport) => ({ type: "open", transport })));
      server.process.kill("SIGKILL");
      const closed = await page.evaluate(() => Promise.all(sockets.map((sockjs) => sockjs.next())));
      for (const { type, code, wasClean } of closed) {
        assert.deepEqual([type, code, wasClean], ["close", 1006, false]);
      }
      await page.done();
    });
  }

  for (const [what, prepare, expected] of [
    ["without WebSocket", () => delete window.WebSocket, "xhr-streaming"],
    ["whose WebSockets fail", () => (window.WebSocket = class extends WebSocket {
      constructor(url) {
        super(url.replace("/echo/", "/nothing/"));
      }
    }), "xhr-streaming"],
  ]) {
    test(`a browser ${what} streams`, async () => {
      const page = await open(ours.port);
      await page.evaluate(prepare);
      const opened = await page.evaluate(() => connect("/echo").next());
      assert.deepEqual(opened, { type: "open", transport: expected });
      await page.done();
    });
  }

  test("header fields reach another origin, and choose transports that carry them", async () => {
    const page = await open(ours.port, "localhost");
    const requests = [];
    page.on("request", (request) => requests.push(request));
    const got = await page.evaluate(async () => {
      const sockjs = connect("/echo", undefined, { headers: { "X-Token": "secret" } });
      const events = [await sockjs.next()];
      sockjs.send("x");
      events.push(await sockjs.next());
      return events;
    });
    assert.deepEqual(got, [
      { type: "open", transport: "xhr-streaming" },
      { type: "message", data: "x" },
    ]);
    const sockjs = requests.filter((request) => request.method() !== "OPTIONS");
    assert.ok(sockjs.length >= 3);
    for (const request of sockjs) {
      assert.equal((await request.allHeaders())["x-token"], "secret", request.url());
    }
    await page.done();
  });

  test("binary messages come back by websocket-raw", async () => {
    const page = await open(ours.port);
    const got = await page.evaluate(async () => {
      const sockjs = connect("/echo", "websocket-raw");
      sockjs.binaryType = "arraybuffer";
      const opened = await sockjs.next();
      sockjs.send(new Uint8Array([0, 255, 7]));
      const { data } = await sockjs.next();
      sockjs.send("text");
      return [opened.transport, ...new Uint8Array(data), (await sockjs.next()).data];
    });
    assert.deepEqual(got, ["websocket-raw", 0, 255, 7, "text"]);
    await page.done();
  });

  test("heartbeats are told on every transport", async () => {
    const page = await open(ours.port);
    const got = await page.evaluate(async (transports) => {
      const beats = transports.map((transport) => {
        const sockjs = connect("/heartbeat", transport);
        return new Promise((resolve) => (sockjs.onheartbeat = () => resolve(sockjs.transport)));
      });
      return Promise.all(beats);
    }, TRANSPORTS);
    assert.deepEqual(got, TRANSPORTS);
    await page.done();
  });

  test("a page may forbid all that is inline, evaluated or framed", async () => {
    const policy = `default-src 'none'; script-src 'self'; connect-src http://${ours.http} ws://${ours.http}`;
    const server = http.createServer((request, response) => {
      response.setHeader("Content-Security-Policy", policy);
      const isScript = request.url !== "/";
      response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
      if (request.url === "/sockjs.js") return void createReadStream(SCRIPT.path).pipe(response);
      response.end(isScript ? PAGE_SCRIPT(ours.http) : '<script src="/sockjs.js"></script><script src="/page.js"></script>');
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const context = await browser.newContext();
    const page = await context.newPage();
    const complaints = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const got = await page.waitForFunction((wanted) => window.echoed?.length === wanted && echoed, TRANSPORTS.length);
    assert.deepEqual((await got.jsonValue()).sort(), [...TRANSPORTS].sort());
    assert.deepEqual(complaints, []);
    await context.close();
    server.closeAllConnections();
    server.close();
  });

  test("a page that is left lets go, unless it may come back", async () => {
    const page = await open(ours.port);
    const data = await page.evaluate(async () => {
      window.sockjs = connect("/echo", "xhr-streaming");
      await sockjs.next();
      dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
      sockjs.send("still here");
      return (await sockjs.next()).data;
    });
    assert.equal(data, "still here");
    const aborted = once(page, "requestfailed");
    await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide", { persisted: false })));
    const [request] = await aborted;
    assert.match(request.url(), /\/xhr_streaming$/);
    await page.done();
  });
});


/// Echoes something by each transport.
const PAGE_SCRIPT = (server) => `
  window.echoed = [];
  for (const transport of ${JSON.stringify(TRANSPORTS)}) {
    const sockjs = new SockJS("http://${server}/echo", null, { transports: transport });
    sockjs.onopen = () => sockjs.send("x");
    sockjs.onmessage = () => echoed.push(sockjs.transport);
  }
`;
