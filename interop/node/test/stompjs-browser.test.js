// @stomp/stompjs in Chromium, over its own WebSocket and over SockJS.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch } from "../support/browser.js";
import { PATIENCE_MS, Server } from "../support/server.js";
import { STOMP_PATH } from "../support/stomp.js";

const module = (name) => fileURLToPath(new URL(`../node_modules/${name}`, import.meta.url));

let server;
let browser;
let page;
before(async () => {
  server = await Server.start();
  browser = await launch();
  page = await browser.newPage({ bypassCSP: true });
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(`http://${server.http}/`);
  await page.addScriptTag({ path: module("@stomp/stompjs/bundles/stomp.umd.min.js") });
  await page.addScriptTag({ path: module("sockjs-client/dist/sockjs.min.js") });
});
after(async () => {
  await browser?.close();
  await server.stop();
});

/// Sends a text and octets to itself in the page, with these options of the client. What came back, as the page saw it.
function roundTrip(options) {
  return page.evaluate(
    async ({ door, path, options }) => {
      const client = new StompJs.Client({
        ...(door === "SockJS"
          ? { webSocketFactory: () => new SockJS(path) }
          : { brokerURL: `ws://${location.host}${path}` }),
        reconnectDelay: 0,
        heartbeatIncoming: 1000,
        heartbeatOutgoing: 1000,
        ...options,
      });
      // No character beyond 16 bits: stompjs splits those in two.
      const text = "grüße € ".repeat(90_000);
      const octets = Uint8Array.from({ length: 100_000 }, (_, n) => n % 256);
      const came = await new Promise((resolve, reject) => {
        const messages = [];
        client.onStompError = (frame) => reject(new Error(frame.headers.message + frame.body));
        client.onWebSocketError = () => reject(new Error("no WebSocket"));
        client.onConnect = () => {
          client.watchForReceipt("subscribed", () => {
            client.publish({ destination: "/topic/page", body: text, headers: { odd: "c:d\\e" } });
            if (door === "SockJS") client.publish({ destination: "/topic/page", body: "end" });
            else client.publish({ destination: "/topic/page", binaryBody: octets });
          });
          const keep = (message) => messages.push(message) === 2 && resolve(messages);
          client.subscribe("/topic/page", keep, { receipt: "subscribed" });
        };
        client.activate();
      });
      await client.deactivate();
      return {
        text: came[0].body === text,
        header: came[0].headers.odd,
        octets: door === "SockJS" || octets.every((octet, n) => came[1].binaryBody[n] === octet),
      };
    },
    { door: options.door, path: STOMP_PATH, options: { ...options, door: undefined } },
  );
}

for (const options of [
  { door: "WebSocket" },
  { door: "WebSocket", splitLargeFrames: true },
  { door: "WebSocket", forceBinaryWSFrames: true },
  { door: "SockJS" },
  { door: "SockJS", splitLargeFrames: true },
]) {
  test(`a page sends to itself: ${JSON.stringify(options)}`, async () => {
    assert.deepEqual(await roundTrip(options), { text: true, header: "c:d\\e", octets: true });
  });
}
