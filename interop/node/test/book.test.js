// The JavaScript of the book, each block as it stands there: in Chromium on a page of the server, or alone where it needs none.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "../support/browser.js";
import { PATIENCE_MS, Server } from "../support/server.js";
import { connect } from "../support/stomp.js";

const DOCS = new URL("../../../docs/", import.meta.url);
const module = (name) => fileURLToPath(new URL(`../node_modules/${name}`, import.meta.url));

let server;
let browser;
before(async () => {
  server = await Server.start("--destination", "/topic/chat.** history=100");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server.stop();
});

/// A page of the server, with what the blocks take for granted.
async function open() {
  const page = await browser.newPage({ bypassCSP: true });
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(`http://${server.http}/`);
  await page.addScriptTag({ path: module("@stomp/stompjs/bundles/stomp.umd.min.js") });
  await page.addScriptTag({ path: module("sockjs-client/dist/sockjs.min.js") });
  await page.evaluate(() => {
    window.shown = [];
    window.show = (text) => window.shown.push(text);
    window.reload = () => window.shown.push("loaded anew");
  });
  return {
    run: (code) => page.addScriptTag({ content: code }),
    shown: (text) => page.waitForFunction((text) => window.shown.includes(text), text),
    opened: () => page.waitForFunction(() => source.readyState === EventSource.OPEN),
    close: () => page.close(),
  };
}

const AsyncFunction = async function () {}.constructor;

/// Runs a block alone, with these names.
const run = (code, names) => new AsyncFunction(...Object.keys(names), code)(...Object.values(names));

/// A block that says hello, by itself, to what answers. `change` leads it to what the server has.
const saysHello = (answer, change = (code) => code) => async (code) => {
  const page = await open();
  await page.run(change(code));
  await page.shown(answer);
  await page.close();
};

/// What is done with the blocks of each chapter, one after the other.
const TESTS = {
  "event-source.md": [
    async (code) => {
      const page = await open();
      await page.run(code);
      await page.opened();
      const client = await connect(server);
      client.publish({ destination: "/topic/chat.7", body: "hello" });
      await page.shown("hello");
      await client.deactivate();
      await page.close();
    },
    async (code) => {
      const EventSource = { CONNECTING: 0, CLOSED: 2 };
      const connect = () => {};
      const source = {};
      const timers = [];
      await run(code, { EventSource, source, connect, setTimeout: (...timer) => timers.push(timer) });
      source.readyState = EventSource.CONNECTING;
      source.onerror();
      assert.deepEqual(timers, []);
      source.readyState = EventSource.CLOSED;
      source.onerror();
      assert.equal(timers[0][0], connect);
      assert.ok(timers[0][1] >= 5000);
    },
  ],
  "security.md": [
    async (code) => {
      const published = [];
      const client = { publish: (frame) => published.push(frame) };
      await run(code, { client, freshToken: async () => "T" });
      assert.equal(published[0].destination, "/session/renew");
      assert.equal(published[0].headers.Authorization, "Bearer T");
    },
  ],
  "sockjs.md": [saysHello("hello")],
  "tutorial/controller.md": [saysHello("Hello, Spring!")],
  // The board is the tutorial's own; an echo says to one who speaks what a board says to all.
  "tutorial/fallback.md": [saysHello("hello", (code) => code.replace('"/board"', '"/echo"'))],
};

const blocks = {};
for (const chapter of (await readdir(DOCS, { recursive: true })).filter((name) => name.endsWith(".md"))) {
  const text = await readFile(new URL(chapter, DOCS), "utf8");
  const found = [...text.matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code);
  if (found.length > 0) blocks[chapter] = found;
}

test("no block is left out, and none is gone", () => {
  const count = (lists) => Object.entries(lists).map(([chapter, list]) => `${chapter}: ${list.length}`);
  assert.deepEqual(count(TESTS), count(blocks).sort());
});

for (const [chapter, codes] of Object.entries(blocks)) {
  for (const [index, code] of codes.entries()) {
    test(`${chapter}, block ${index + 1}`, () => TESTS[chapter][index](code));
  }
}
