// The transport lab in a real browser: alone with the server, and behind proxies that stand in the way.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, describe, test } from "node:test";
import { launch } from "../support/browser.js";
import { Nginx } from "../support/nginx.js";
import { PATIENCE_MS, Server } from "../support/server.js";

const SCREENSHOTS =
  process.env.TIDINGS_SCREENSHOTS ??
  fileURLToPath(new URL("../../../target/screenshots", import.meta.url));

const TRANSPORTS = [
  "polling",
  "long-polling",
  "jsonp",
  "streaming",
  "eventsource",
  "htmlfile",
  "sockjs-xhr-polling",
  "sockjs-iframe-xhr-polling",
  "sockjs-jsonp-polling",
  "sockjs-xhr-streaming",
  "sockjs-eventsource",
  "sockjs-iframe-eventsource",
  "sockjs-htmlfile",
  "sockjs-iframe-htmlfile",
  "sockjs-websocket",
  "websocket",
];
const SOCKETS = ["sockjs-websocket", "websocket"];

/// A whole run takes longer than one answer.
const RUN_MS = 5 * PATIENCE_MS;

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

/// The lab's page in a browser profile of its own, with these knobs.
async function open(host, knobs, { init, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.failures = [];
  page.on("pageerror", (error) => {
    // sockjs-client forgets the callback of a script that it has given up.
    if (!/^TypeError: _jp\./.test(String(error))) page.failures.push(String(error));
  });
  if (init) await page.addInitScript(init);
  await page.goto(`http://${host}/lab/?${new URLSearchParams(knobs)}`);
  page.at = (id) => page.getByTestId(id);
  page.row = (name) => page.at(`row-${name}`);
  page.done = async () => {
    assert.deepEqual(page.failures, []);
    await context.close();
  };
  return page;
}

const ended = (page, text) =>
  page.at("status").filter({ hasText: text }).waitFor({ timeout: RUN_MS });

/// Runs to the end, and returns what can be copied: its rows by name.
async function run(page, text = "Done") {
  await page.at("start").click();
  await ended(page, text);
  const result = JSON.parse(await page.at("json").textContent());
  result.row = Object.fromEntries(result.rows.map((row) => [row.name, row]));
  return result;
}

function assertWorks(row, count) {
  const about = `${row.name}: ${JSON.stringify(row)}`;
  assert.equal(row.state, "done", about);
  assert.ok(["works", "bursts"].includes(row.verdict.code), about);
  assert.equal(row.sent, count, about);
  assert.equal(row.latencies.length, count, about);
  assert.ok(row.latencies.every((ms) => ms > 0 && ms < 10_000), about);
  assert.ok(row.latency.median <= row.latency.p95 && row.latency.p95 <= row.latency.max, about);
  assert.ok(row.connect.ms > 0 && row.connect.requests >= 1 && row.connect.octets > 200, about);
  assert.ok(row.messages.octetsPerMessage > row.messages.payload, about);
}

describe("Alone with the server", () => {
  test("every transport gets every message through, and what it costs is counted", async () => {
    const [count, size] = [6, 32];
    const page = await open(server.http, { count, size, rate: 20, quiet: 2, interval: 200 });
    const result = await run(page);
    assert.deepEqual(result.rows.map(({ name }) => name), TRANSPORTS);
    for (const row of result.rows) assertWorks(row, count);

    // A frame of RFC 6455 each way, and SockJS's own five or four octets in them.
    assert.equal(result.row.websocket.messages.octetsPerMessage, 2 + 4 + size + 2 + size);
    assert.equal(result.row["sockjs-websocket"].messages.octetsPerMessage, 2 + 4 + 4 + size + 2 + 5 + size);
    for (const name of SOCKETS) assert.equal(result.row[name].messages.requests, 0, name);
    for (const { name, kind, messages } of result.rows.filter(({ kind }) => kind !== "socket")) {
      assert.ok(messages.octetsPerMessage > 5 * result.row.websocket.messages.octetsPerMessage, name);
      // A request brings a message or, where SockJS waits for the one before, several.
      assert.ok(messages.requests >= (name.startsWith("sockjs") ? 2 : count), name);
      if (kind === "streaming") assert.ok(messages.requests <= count, name);
      else if (kind === "waiting") assert.ok(messages.requests <= 2 * count + 1, name);
    }
    // What waits for the next poll comes later than what does not.
    assert.ok(result.row.polling.latency.median > result.row.websocket.latency.median);

    const quiet = Object.fromEntries(result.quiet.rows.map((row) => [row.name, row]));
    assert.ok(quiet.polling.seen.requests >= 5, JSON.stringify(quiet.polling));
    assert.ok(quiet.polling.minute.octets > 10 * quiet["long-polling"].minute.octets);
    assert.ok(quiet["long-polling"].minute.octets > 10 * quiet.websocket.minute.octets);
    for (const name of ["long-polling", "streaming", "eventsource", "websocket"]) {
      assert.equal(quiet[name].failed, null, name);
      assert.equal(quiet[name].seen.octets, 0, name);
    }

    // The page shows what can be copied.
    for (const { name, messages } of result.rows) {
      const row = page.row(name);
      assert.equal(await row.getByTestId("verdict").textContent(), result.row[name].verdict.text);
      const shown = (await row.getByTestId("octets").textContent()).replace(",", "");
      assert.equal(Number(shown), Math.round(messages.octetsPerMessage), name);
      assert.equal(await row.locator("circle").count(), count, name);
    }
    assert.match(await page.at("summary").textContent(), /WebSocket 72 octets and .* polling every 200 ms/);
    await mkdir(SCREENSHOTS, { recursive: true });
    for (const [name, width, height] of [["desktop", 1280, 900], ["phone", 390, 844]]) {
      await page.setViewportSize({ width, height });
      const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.equal(beyond, 0, `nothing is beyond the edge of a ${name}`);
      await page.screenshot({ path: path.join(SCREENSHOTS, `lab-${name}.png`), fullPage: true });
    }
    await page.done();
  });

  test("without WebSocket its rows say that it is missing", async () => {
    const init = () => delete window.WebSocket;
    const only = "streaming sockjs-websocket websocket";
    const page = await open(server.http, { count: 2, quiet: 0, only }, { init });
    const { row } = await run(page);
    assertWorks(row.streaming, 2);
    for (const name of SOCKETS) {
      assert.equal(row[name].verdict.code, "missing");
      assert.match(await page.row(name).getByTestId("verdict").textContent(), /has no WebSocket/);
    }
    assert.equal(await page.row("polling").isVisible(), false);
    await page.done();
  });

  test("a run can be stopped, and begun again", async () => {
    const page = await open(server.http, { count: 200, rate: 5, quiet: 0, only: "long-polling websocket" });
    await page.at("start").click();
    await page.row("long-polling").locator("circle").nth(2).waitFor({ state: "attached" });
    await page.at("stop").click();
    await ended(page, "Stopped");
    assert.equal(await page.row("long-polling").getAttribute("data-state"), "stopped");
    assert.equal(await page.row("websocket").getAttribute("data-state"), "waiting");
    await page.at("count").fill("2");
    const { row } = await run(page);
    assertWorks(row["long-polling"], 2);
    assertWorks(row.websocket, 2);
    await page.done();
  });

  test("more than the server keeps is refused, and the row says so", async () => {
    const page = await open(server.http, { count: 30, rate: 50, size: 8192, interval: 20_000, quiet: 0, only: "polling" });
    const { row } = await run(page);
    assert.equal(row.polling.verdict.code, "lost");
    assert.match(row.polling.verdict.text, /^0 of \d+ messages came back\..*Too many messages wait to be fetched/);
    await page.done();
  });

  test("the knobs are in the address, and the result goes to the clipboard", async () => {
    const permissions = ["clipboard-read", "clipboard-write"];
    const page = await open(server.http, { interval: 400, only: "polling" }, { permissions });
    await page.at("size").fill("100");
    await page.at("count").fill("3");
    await page.at("quiet").fill("0");
    await page.at("interval-again").press("ArrowLeft");
    const interval = await page.at("interval-text").textContent();
    await page.reload();
    assert.equal(await page.at("interval-text").textContent(), interval);
    const { settings, row } = await run(page);
    assert.deepEqual([settings.size, settings.count, settings.quiet], [100, 3, 0]);
    assert.ok(settings.interval < 400, `${settings.interval}`);
    assertWorks(row.polling, 3);
    await page.at("copy").click();
    await page.at("copy").filter({ hasText: "Copied" }).waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(copied, await page.at("json").textContent());
    await page.done();
  });
});

describe("Behind a proxy", () => {
  /// What comes of these transports behind nginx with another configuration.
  async function behind(change, only, text) {
    const nginx = await Nginx.start(server.http, change);
    const page = await open(`127.0.0.1:${nginx.port}`, { count: 3, rate: 20, quiet: 0, interval: 200, only });
    const result = await run(page, text);
    for (const { name, verdict } of result.rows) {
      assert.equal(await page.row(name).getByTestId("verdict").textContent(), verdict.text);
    }
    result.note = await page.at("note").textContent();
    await page.done();
    await nginx.stop();
    return result;
  }

  const codes = ({ rows }) => Object.fromEntries(rows.map(({ name, verdict }) => [name, verdict.code]));

  test("as documented everything works, and the page tells of the proxy", async () => {
    const result = await behind(undefined, TRANSPORTS.join(" "));
    for (const row of result.rows) assertWorks(row, 3);
    assert.match(result.note, /A proxy passes the requests on/);
  });

  test("one that gathers responses is found out by the streams", async () => {
    const change = (site) =>
      site.replace(
        "proxy_http_version 1.1;",
        "proxy_http_version 1.0; proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;",
      );
    const only = "long-polling streaming eventsource htmlfile sockjs-xhr-polling sockjs-xhr-streaming websocket";
    assert.deepEqual(codes(await behind(change, only)), {
      "long-polling": "works",
      streaming: "buffered",
      eventsource: "buffered",
      htmlfile: "buffered",
      "sockjs-xhr-polling": "works",
      "sockjs-xhr-streaming": "buffered",
      websocket: "http-1.0",
    });
  });

  test("one that strips the Upgrade header is found out by the WebSockets", async () => {
    const change = (site) => site.replace(/proxy_set_header (Upgrade|Connection) .*\n/g, "");
    assert.deepEqual(codes(await behind(change, "streaming sockjs-websocket websocket")), {
      streaming: "works",
      "sockjs-websocket": "upgrade-stripped",
      websocket: "upgrade-stripped",
    });
  });

  test("one that asks for another host is found out by the origin", async () => {
    const change = (site) => site.replace(/proxy_set_header Host .*\n/, "proxy_set_header Host elsewhere;\n");
    const result = await behind(change, "polling eventsource websocket", "does not take part");
    assert.deepEqual(Object.values(codes(result)), ["origin", "origin", "origin"]);
    assert.match(result.row.polling.verdict.text, /for elsewhere: that is another origin/);
  });

  test("one that forbids frames is found out by what needs them", async () => {
    const change = (site) =>
      site.replace("proxy_http_version 1.1;", "proxy_http_version 1.1; add_header X-Frame-Options DENY;");
    const result = await behind(change, "htmlfile sockjs-eventsource sockjs-htmlfile");
    assert.deepEqual(codes(result), {
      htmlfile: "frame-blocked",
      "sockjs-eventsource": "works",
      "sockjs-htmlfile": "frame-blocked",
    });
  });
});
