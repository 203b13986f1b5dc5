// Our SockJS client for browsers where things go wrong, in a real browser.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { launch } from "../support/browser.js";
import { Cable } from "../support/cable.js";
import { Example, PATIENCE_MS, within } from "../support/server.js";

const SCRIPT = fileURLToPath(new URL("../../../clients/typescript/dist/sockjs.js", import.meta.url));

const TRANSPORTS = ["websocket", "xhr-streaming", "eventsource", "xhr-polling"];

let server;
let browser;
before(async () => {
  server = await Example.start("sockjs_conformance");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server.stop();
});

/// Serves a page with the client, under a policy, and whatever else is asked for by `answer`.
async function site(policy, answer = (_, response) => response.writeHead(404).end()) {
  const script = await readFile(SCRIPT);
  const site = http.createServer((request, response) => {
    const path = request.url.split("?")[0];
    if (path === "/") {
      const headers = { "Content-Type": "text/html", "Content-Security-Policy": policy };
      response.writeHead(200, headers).end('<script src="/sockjs.js"></script>');
    } else if (path === "/sockjs.js") {
      response.writeHead(200, { "Content-Type": "text/javascript" }).end(script);
    } else {
      answer(request, response);
    }
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  site.origin = `http://127.0.0.1:${site.address().port}`;
  site.stop = () => {
    site.closeAllConnections();
    site.close();
  };
  return site;
}

/// A page of it, whose `events` gathers what a socket tells until it has told enough.
async function open(site) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(site.origin);
  await page.evaluate(() => {
    window.TYPES = ["open", "message", "heartbeat", "reconnecting", "error", "close"];
    /// Resolves to what came, up to the first event of which `last` holds.
    window.events = (sockjs, last) =>
      new Promise((resolve) => {
        const told = [];
        for (const type of TYPES) {
          sockjs.addEventListener(type, ({ code, reason, data }) => {
            const known = Object.entries({ code, reason, data }).filter(([, value]) => value !== undefined);
            told.push({ type, ...Object.fromEntries(known) });
            if (last(told.at(-1))) resolve(told);
          });
        }
      });
  });
  return page;
}

test("after a cut, each transport connects again", async () => {
  const cables = await Promise.all(TRANSPORTS.map(() => Cable.lay(server.port)));
  const pages = await site("default-src 'self'; connect-src *");
  const page = await open(pages);
  const transports = await page.evaluate(
    async ([ports, transports]) => {
      const opened = (sockjs) => new Promise((resolve) => (sockjs.onopen = () => resolve(sockjs.transport)));
      window.sockets = transports.map((name, index) => {
        const options = { transports: name, reconnect: { delay: 10 } };
        return new SockJS(`http://127.0.0.1:${ports[index]}/echo`, null, options);
      });
      const transportsNow = await Promise.all(sockets.map(opened));
      window.lost = sockets.map((it) => new Promise((resolve) => (it.onreconnecting = resolve)));
      window.again = sockets.map(opened);
      return transportsNow;
    },
    [cables.map(({ port }) => port), TRANSPORTS],
  );
  assert.deepEqual(transports, TRANSPORTS);
  const codes = await within(Promise.all(cables.map((cable, index) => cutUntilLost(cable, page, index))), "every loss");
  const reconnected = page.evaluate(async () => {
    const names = await Promise.all(again);
    const echoes = sockets.map((sockjs) => new Promise((resolve) => (sockjs.onmessage = resolve)));
    sockets.forEach((sockjs) => sockjs.send(sockjs.transport));
    return [names, (await Promise.all(echoes)).map(({ data }) => data)];
  });
  const [again, echoes] = await within(reconnected, "every echo after the cut");
  assert.deepEqual(codes, TRANSPORTS.map(() => 1006));
  assert.deepEqual([again, echoes], [TRANSPORTS, TRANSPORTS]);
  await page.context().close();
  pages.stop();
  for (const cable of cables) cable.remove();
});

/// Cuts the cable of a socket of the page, and resolves to the code with which that tells its loss. Between two polls
/// there is nothing to lose, and a browser sends a poll once more that the server has not read: then it is cut again.
async function cutUntilLost(cable, page, index) {
  let code;
  const lost = page.evaluate((index) => window.lost[index].then(({ code }) => code), index).then((told) => (code = told));
  while (code === undefined) {
    cable.cut();
    await Promise.race([lost, cable.posted("/xhr")]);
  }
  return code;
}

test("a server behind a dead network is given up by each transport", async () => {
  const cable = await Cable.lay(server.port);
  const pages = await site("default-src 'self'; connect-src *");
  const page = await open(pages);
  await page.evaluate(
    async ([port, transports]) => {
      window.sockets = transports.map((name) => {
        const options = { transports: name, heartbeatTimeout: 3000 };
        return new SockJS(`http://127.0.0.1:${port}/heartbeat`, null, options);
      });
      window.ends = sockets.map((it) => events(it, ({ type }) => type === "close"));
      await Promise.all(sockets.map((it) => new Promise((resolve) => (it.onheartbeat = resolve))));
    },
    [cable.port, TRANSPORTS],
  );
  cable.die();
  const ends = page.evaluate(async () => (await Promise.all(window.ends)).map((told) => told.at(-1)));
  const closed = await within(ends, "every transport's end without heartbeats");
  assert.deepEqual(closed, TRANSPORTS.map(() => ({ type: "close", code: 1006, reason: "No heartbeat" })));
  await page.context().close();
  pages.stop();
  cable.remove();
});

test("where a policy forbids WebSocket, it streams", async () => {
  const pages = await site(`default-src 'self'; connect-src http://${server.http}`);
  const page = await open(pages);
  const transport = await page.evaluate(async (url) => {
    const sockjs = new SockJS(url);
    await events(sockjs, ({ type }) => type === "open" || type === "close");
    return sockjs.transport;
  }, `http://${server.http}/echo`);
  assert.equal(transport, "xhr-streaming");
  await page.context().close();
  pages.stop();
});

test("where a service is not there, or says no at once, the page learns it", async () => {
  const pages = await site("default-src 'self'", (request, response) => {
    if (request.url.startsWith("/refusing/info")) response.end('{"websocket":false}');
    else if (request.url.startsWith("/refusing/")) response.end('c[3500,"full"]\n');
    else response.writeHead(503).end();
  });
  const page = await open(pages);
  const told = await page.evaluate(async () => {
    const end = (url) => events(new SockJS(url), ({ type }) => type === "close");
    return Promise.all(["/missing", "/refusing", "http://127.0.0.1:1/echo"].map(end));
  });
  const unreachable = [{ type: "close", code: 1002, reason: "Cannot connect to server" }];
  assert.deepEqual(told, [unreachable, [{ type: "close", code: 3500, reason: "full" }], unreachable]);
  await page.context().close();
  pages.stop();
});

test("a raw WebSocket tells the server code and reason, and the page the server's", async () => {
  const endpoint = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(endpoint, "listening");
  const heard = new Promise((resolve) => {
    endpoint.on("connection", (socket) => {
      socket.on("message", () => socket.close(4001, "theirs"));
      socket.on("close", (code, reason) => code !== 4001 && resolve([code, `${reason}`]));
    });
  });
  const pages = await site("default-src 'self'; connect-src *");
  const page = await open(pages);
  const closed = await page.evaluate(async (port) => {
    const sockets = [1, 2].map(
      () => new SockJS(`http://127.0.0.1:${port}/any`, null, { transports: "websocket-raw" }),
    );
    const told = sockets.map((sockjs) => events(sockjs, ({ type }) => type === "close"));
    sockets[0].onopen = () => sockets[0].close(4000, "ours");
    sockets[1].onopen = () => sockets[1].send("close, please");
    return (await Promise.all(told)).map((events) => events.at(-1));
  }, endpoint.address().port);
  assert.deepEqual(closed, [
    { type: "close", code: 4000, reason: "ours" },
    { type: "close", code: 4001, reason: "theirs" },
  ]);
  assert.deepEqual(await within(heard, "the server hears of it"), [4000, "ours"]);
  await page.context().close();
  pages.stop();
  endpoint.close();
});

test("a raw WebSocket that is lost or refused is told, whatever the code", async () => {
  const endpoint = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(endpoint, "listening");
  endpoint.on("connection", (socket) => {
    socket.on("message", (data) => (`${data}` === "cut" ? socket.terminate() : socket.close(1011, "broken")));
  });
  const pages = await site("default-src 'self'; connect-src *");
  const page = await open(pages);
  const closed = await page.evaluate(async (port) => {
    const connect = (port) => new SockJS(`http://127.0.0.1:${port}/any`, null, { transports: "websocket-raw" });
    const sockets = [connect(port), connect(port), connect(1)];
    const told = sockets.map((sockjs) => events(sockjs, ({ type }) => type === "close"));
    sockets[0].onopen = () => sockets[0].send("cut");
    sockets[1].onopen = () => sockets[1].send("close");
    const ends = (await Promise.all(told)).map((events) => events.at(-1));
    return ends.map(({ code, reason }, index) => [code, reason, sockets[index].readyState]);
  }, endpoint.address().port);
  assert.deepEqual(closed, [
    [1006, "WebSocket connection broken", 3],
    [1011, "broken", 3],
    [2000, "All transports failed", 3],
  ]);
  await page.context().close();
  pages.stop();
  endpoint.close();
});

test("a close reason of more than 123 octets is refused before anything is done", async () => {
  const pages = await site("default-src 'self'; connect-src *");
  const page = await open(pages);
  const told = await page.evaluate(async (url) => {
    const sockjs = new SockJS(url, null, { transports: "websocket-raw" });
    await events(sockjs, ({ type }) => type === "open");
    const { name } = (() => {
      try {
        sockjs.close(3000, "\u00e9".repeat(62));
      } catch (error) {
        return error;
      }
    })();
    const { readyState } = sockjs;
    const ended = events(sockjs, ({ type }) => type === "close");
    sockjs.close(3000, "\u00e9".repeat(61));
    return [name, readyState, (await ended).at(-1).code];
  }, `http://${server.http}/echo`);
  assert.deepEqual(told, ["SyntaxError", 1, 3000]);
  await page.context().close();
  pages.stop();
});

test("a worker has it too", async () => {
  const pages = await site("default-src 'self'; connect-src *", (request, response) => {
    response.setHeader("Content-Type", "text/javascript");
    response.end(`
      importScripts("/sockjs.js");
      const sockjs = new SockJS("http://${server.http}/echo");
      sockjs.onopen = () => sockjs.send("from a worker");
      sockjs.onmessage = ({ data }) => postMessage(data);
    `);
  });
  const page = await open(pages);
  const data = await page.evaluate(
    () => new Promise((resolve) => (new Worker("/worker.js").onmessage = ({ data }) => resolve(data))),
  );
  assert.equal(data, "from a worker");
  await page.context().close();
  pages.stop();
});
