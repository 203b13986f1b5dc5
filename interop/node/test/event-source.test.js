// A browser's EventSource, across cuts and restarts.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "../support/browser.js";
import { Cable } from "../support/cable.js";
import { PATIENCE_MS, Raw, Server } from "../support/server.js";

const DESTINATION = "/topic/kept.a";
const start = (...flags) => Server.start("--destination", "/topic/kept.** history=100", ...flags);

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
});

/// A page that follows the destination, and what it was told so far.
async function follow(address) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(`http://${address}/`);
  await page.evaluate((destination) => {
    window.told = [];
    window.opened = 0;
    window.source = new EventSource(`/api/subscribe?destination=${destination}`);
    window.source.onopen = () => (window.opened += 1);
    window.source.onmessage = (event) => window.told.push(event.data);
    window.source.addEventListener("recovered", (event) =>
      window.told.push(JSON.parse(event.data).recovered),
    );
  }, DESTINATION);
  return {
    opened: (times) => page.waitForFunction((times) => window.opened >= times, times),
    until: async (last) => {
      await page.waitForFunction((last) => window.told.at(-1) === last, last);
      return page.evaluate(() => window.told);
    },
    close: () => context.close(),
  };
}

async function publisher(server) {
  const client = await Raw.connect(server.stompPort);
  client.write("CONNECT\naccept-version:1.2\nhost:x\n\n\0");
  await client.until("\0");
  return async (...bodies) => {
    for (const body of bodies) {
      client.write(`SEND\ndestination:${DESTINATION}\nreceipt:${body}\n\n${body}\0`);
      await client.until(`receipt-id:${body}\n\n\0`);
    }
  };
}

test("a connection that is cut costs no message, and none comes twice", async () => {
  const server = await start();
  const publish = await publisher(server);
  const cable = await Cable.lay(server.httpPort);
  const page = await follow(`127.0.0.1:${cable.port}`);
  await page.opened(1);
  await publish("1", "2");
  await page.until("2");
  cable.cut();
  await publish("3", "4");
  await page.opened(2);
  await publish("5");
  assert.deepEqual(await page.until("5"), ["1", "2", true, "3", "4", "5"]);
  await page.close();
  cable.remove();
  await server.stop();
});

test("a restart of the server is told", async () => {
  let server = await start();
  const { http } = server;
  let publish = await publisher(server);
  const page = await follow(http);
  await page.opened(1);
  await publish("1");
  await page.until("1");
  await server.stop();
  server = await start("--listen", http);
  publish = await publisher(server);
  await publish("2");
  await page.opened(2);
  assert.deepEqual(await page.until("2"), ["1", false, "2"]);
  await page.close();
  await server.stop();
});
