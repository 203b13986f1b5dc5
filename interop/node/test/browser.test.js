// The demo pages in a real browser, used as a person would.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, describe, test } from "node:test";
import { launch } from "../support/browser.js";
import { PATIENCE_MS, Server } from "../support/server.js";

const SCREENSHOTS =
  process.env.TIDINGS_SCREENSHOTS ??
  fileURLToPath(new URL("../../../target/screenshots", import.meta.url));

let server;
let browser;
before(async () => {
  server = await Server.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server.stop();
});

/// A page of its own browser profile. Whatever the page's code fails at fails the test.
async function open(address, { init, width = 1280, height = 900 } = {}) {
  const context = await browser.newContext({ viewport: { width, height } });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.failures = [];
  page.on("pageerror", (error) => page.failures.push(String(error)));
  page.on("dialog", (dialog) => {
    page.failures.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  if (init) await page.addInitScript(init);
  await page.goto(`http://${server.http}${address}`);
  page.at = (id) => page.getByTestId(id);
  page.done = async () => {
    assert.deepEqual(page.failures, []);
    await context.close();
  };
  return page;
}

const HOSTILE = "<img src=x onerror=alert(1)>";

test("Greetings: connect, type a name, be greeted a second later", async () => {
  const page = await open("/greetings/");
  await page.at("connect").click();
  for (const name of ["Spring", HOSTILE]) {
    await page.at("name").fill(name);
    await page.at("name").press("Enter");
    await page.at("greeting").filter({ hasText: `Hello, ${name}!` }).waitFor();
  }
  assert.equal(await page.at("greetings").locator("img").count(), 0);
  await page.at("disconnect").click();
  await page.at("connect").click();
  await page.done();
});

async function join(page, name, room) {
  await page.at("name").fill(name);
  await page.at("room").fill(room);
  await page.at("join").click();
  await page.locator('[data-testid="chat"][data-state="in"]').waitFor();
}

async function say(page, text) {
  await page.at("text").fill(text);
  await page.at("text").press("Enter");
}

const heard = (page, text) => page.at("message-text").filter({ hasText: text }).waitFor();

/// Two people in a room, over the transport that their pages report.
async function chat(options, address, transport) {
  const room = `room-${transport}`;
  const ann = await open(address, options);
  const bob = await open(address, options);
  await join(ann, "Ann", room);
  await ann.at("status").filter({ hasText: transport }).waitFor();
  await join(bob, "Bob", room);
  await bob.at("status").filter({ hasText: transport }).waitFor();
  await ann.at("person").filter({ hasText: "Bob" }).waitFor();
  await say(ann, "hello Bob");
  await heard(bob, "hello Bob");
  await say(bob, HOSTILE);
  await heard(ann, HOSTILE);
  assert.equal(await ann.at("messages").locator("img").count(), 0);
  for (let n = 0; n < 20; n++) await say(ann, `line ${n}.`);
  await heard(bob, "line 19.");
  const lines = (await bob.at("message-text").allTextContents()).filter((t) => t.startsWith("line"));
  assert.deepEqual(lines, Array.from({ length: 20 }, (_, n) => `line ${n}.`));
  await bob.done();
  await ann.at("person").filter({ hasText: "Bob" }).waitFor({ state: "detached" });
  await ann.done();
}

describe("Chat between two pages", () => {
  test("over WebSocket", () => chat({}, "/chat/", "websocket"));

  const init = () => delete window.WebSocket;
  test("over xhr-streaming, where WebSocket is unavailable", () =>
    chat({ init }, "/chat/", "xhr-streaming"));
  test("over xhr-polling, where WebSocket is unavailable", () =>
    chat({ init }, "/chat/?transport=xhr-polling", "xhr-polling"));
});

test("Playground: every frame and the close code are seen", async () => {
  const page = await open("/playground/");
  const entry = (kind, direction, text) =>
    page.locator(`[data-testid="entry"][data-kind="${kind}"][data-direction="${direction}"]`, {
      hasText: text,
    });
  assert.match(await page.at("address").inputValue(), /^ws:\/\/127\.0\.0\.1:\d+\/websocket\/8$/);
  await page.at("connect").click();
  await page.at("entry-content").filter({ hasText: "Welcome, user 8." }).waitFor();
  await page.at("message").fill(HOSTILE);
  await page.at("send").click();
  await page.at("entry-content").filter({ hasText: `user 8: ${HOSTILE}` }).waitFor();
  assert.equal(await page.at("log").locator("img").count(), 0);
  await page.at("ready-fail").click();
  await page.at("entry-content").filter({ hasText: "error: " }).waitFor();
  await page.at("ready-close").click();
  await page.locator('[data-testid="entry"][data-code="4001"]').waitFor();
  assert.ok((await entry("text", "in").count()) >= 2);
  await page.done();
});

test("every page fits a desktop and a phone", async () => {
  await mkdir(SCREENSHOTS, { recursive: true });
  for (const [name, address] of [
    ["landing", "/"],
    ["greetings", "/greetings/"],
    ["chat", "/chat/"],
    ["playground", "/playground/"],
  ]) {
    for (const width of [1280, 390]) {
      const page = await open(address, { width, height: width === 390 ? 844 : 900 });
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.equal(overflow, 0, `${name} at ${width} scrolls sideways`);
      const file = path.join(SCREENSHOTS, `${name}-${width}.png`);
      await page.screenshot({ path: file, fullPage: true });
      await page.done();
    }
  }
});
