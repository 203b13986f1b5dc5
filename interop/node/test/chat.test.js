// The chat: three people in three pages of Chromium, one of which has no WebSocket.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch } from "../support/browser.js";
import { PATIENCE_MS, Server } from "../support/server.js";

const SCREENSHOTS =
  process.env.TIDINGS_SCREENSHOTS ??
  fileURLToPath(new URL("../../../target/screenshots", import.meta.url));
const MARKUP = "<img src=x onerror=alert(1)>";

let server, browser, pages;
before(async () => {
  server = await Server.start();
  browser = await launch();
  await mkdir(SCREENSHOTS, { recursive: true });
});
beforeEach(() => (pages = []));
/// Whatever the code of a page fails at fails its test.
afterEach(async () => {
  for (const page of pages) {
    await page.context().close();
    assert.deepEqual(page.failures, []);
  }
});
after(async () => {
  await browser?.close();
  await server.stop();
});

/// A page of a browser profile of its own, in a room.
async function enter(name, room, { transport = "websocket", ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  pages.push(page);
  page.setDefaultTimeout(PATIENCE_MS);
  page.failures = [];
  page.on("pageerror", (error) => page.failures.push(String(error)));
  page.on("dialog", (dialog) => {
    page.failures.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  if (transport !== "websocket") await page.addInitScript(() => delete window.WebSocket);
  await page.goto(`http://${server.http}/chat/`);
  page.at = (id) => page.getByTestId(id);
  await page.at("name").fill(name);
  await page.at("room").fill(room);
  await page.at("join").click();
  await page.at("status").filter({ hasText: `Connected over ${transport}` }).waitFor();
  return page;
}

async function say(page, text) {
  await page.at("text").fill(text);
  await page.at("text").press("Enter");
}

const person = (page, name) => page.at("person").getByText(name, { exact: true });
const notice = (page, text) => page.at("notice").getByText(text, { exact: true });

/// Waits for a message, and says what stands above it.
async function heard(page, kind, text) {
  const message = page.locator(`[data-testid="message"][data-kind="${kind}"]`, { hasText: text });
  return message.getByTestId("message-from").textContent();
}

test("two people see each other come, talk, and see each other go", async () => {
  const ann = await enter("Ann", "harbour");
  const bob = await enter("Bob", "harbour", { transport: "xhr-streaming" });
  await notice(ann, "Bob is here").waitFor();
  await person(ann, "Bob").waitFor();
  await person(bob, "Ann").waitFor();
  await say(ann, "hello Bob");
  assert.equal(await heard(bob, "room", "hello Bob"), "Ann");
  await say(bob, MARKUP);
  assert.equal(await heard(ann, "room", MARKUP), "Bob");
  assert.equal(await ann.locator("main img").count(), 0);
  await ann.close();
  await notice(bob, "Ann has left").waitFor();
  await person(bob, "Ann").waitFor({ state: "detached" });
  await person(bob, "Bob").waitFor();
});

test("a page without WebSocket is seen to go too, without a word of it", async () => {
  const ann = await enter("Ann", "quay");
  const bob = await enter("Bob", "quay", { transport: "xhr-streaming" });
  await person(ann, "Bob").waitFor();
  await bob.close();
  await notice(ann, "Bob has left").waitFor();
  await person(ann, "Bob").waitFor({ state: "detached" });
});

test("a private message is for one, by a click on the name or by the keyboard", async () => {
  const ann = await enter("Ann", "galley");
  const bob = await enter(MARKUP, "galley", { transport: "xhr-streaming", colorScheme: "dark" });
  const eve = await enter("Eve", "galley", { viewport: { width: 390, height: 844 } });
  await say(eve, "anybody here?");
  await person(ann, MARKUP).click();
  await ann.at("recipient-name").getByText(`To ${MARKUP} alone`).waitFor();
  await say(ann, "psst");
  assert.equal(await heard(ann, "private", "psst"), `To ${MARKUP} alone`);
  assert.equal(await heard(bob, "private", "psst"), "Ann, to you alone");
  await person(bob, "Ann").press("Enter");
  await say(bob, "psst yourself");
  assert.equal(await heard(ann, "private", "psst yourself"), `${MARKUP}, to you alone`);
  await ann.at("text").press("Escape");
  await say(ann, "good morning, all");
  // All that was said before has been heard by now.
  assert.equal(await heard(eve, "room", "good morning, all"), "Ann");
  assert.deepEqual(await eve.at("message-text").allTextContents(), ["anybody here?", "good morning, all"]);
  for (const [page, name] of [[ann, "private"], [bob, "private-dark"], [eve, "private-phone"]]) {
    await page.screenshot({ path: path.join(SCREENSHOTS, `chat-${name}.png`), fullPage: true });
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.equal(overflow, 0, `${name} scrolls sideways`);
  }
});

test("whoever writes to somebody who has gone is told so", async () => {
  const ann = await enter("Ann", "pier");
  const zoe = await enter("Zoe", "pier", { transport: "xhr-streaming" });
  await person(ann, "Zoe").click();
  await zoe.close();
  await person(ann, "Zoe").waitFor({ state: "detached" });
  await say(ann, "still there?");
  assert.equal(await heard(ann, "undelivered", "still there?"), "Zoe is not online: not delivered");
  await ann.screenshot({ path: path.join(SCREENSHOTS, "chat-undelivered.png"), fullPage: true });
});

test("a name in two pages is one person, who stays until the last of them has gone", async () => {
  const ann = await enter("Ann", "dock");
  const first = await enter("Bob", "dock");
  const second = await enter("Bob", "dock", { transport: "xhr-streaming" });
  await person(first, "Ann").click();
  await say(first, "from my desk");
  assert.equal(await heard(second, "private", "from my desk"), "To Ann alone");
  await first.close();
  const third = await enter("Carl", "dock");
  await notice(ann, "Carl is here").waitFor();
  assert.equal(await notice(ann, "Bob has left").count(), 0);
  assert.deepEqual(await ann.locator('[data-testid="person"] .name').allTextContents(), ["Ann", "Bob", "Carl"]);
  await third.at("room").fill("pier");
  await third.at("join").click();
  await notice(ann, "Carl has left").waitFor();
});
