// The example whose services suites of SockJS look for, with sockjs-client in Node.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import SockJS from "sockjs-client";
import { Example, Inbox } from "../support/server.js";

let server;
before(async () => (server = await Example.start("sockjs_conformance")));
after(() => server.stop());

/// A session of a service, whose messages come one after the other once it is open.
async function open(service) {
  const sockjs = new SockJS(`http://${server.http}${service}`);
  const opened = new Inbox();
  sockjs.messages = new Inbox();
  sockjs.closed = new Inbox();
  sockjs.onopen = () => opened.push(sockjs.transport);
  sockjs.onmessage = ({ data }) => sockjs.messages.push(data);
  sockjs.onclose = ({ code, reason }) => sockjs.closed.push([code, reason]);
  sockjs.via = await opened.next(`${service} to open`);
  return sockjs;
}

describe("the example for suites", () => {
  test("has every service that suites look for", async () => {
    for (const service of ["/echo", "/disabled_websocket_echo", "/cookie_needed_echo"]) {
      const sockjs = await open(service);
      sockjs.send("hello");
      assert.equal(await sockjs.messages.next(service), "hello");
      assert.equal(sockjs.via === "websocket", service !== "/disabled_websocket_echo", service);
      sockjs.close();
    }
    const close = await open("/close");
    assert.deepEqual(await close.closed.next("the end"), [3000, "Go away!"]);
    const ticker = await open("/ticker");
    assert.equal(await ticker.messages.next("a tick"), "tick!");
    ticker.close();
    const amplify = await open("/amplify");
    for (const [number, length] of [["3", 8], ["18", 1 << 18], ["19", 2], ["x", 2]]) {
      amplify.send(number);
      assert.equal(await amplify.messages.next(number), "x".repeat(length));
    }
    amplify.close();
    const all = [await open("/broadcast"), await open("/broadcast")];
    all[0].send("to all");
    for (const one of all) assert.equal(await one.messages.next("a broadcast"), "to all");
    for (const one of all) one.close();
  });

  test("lets pages of every origin in, with cookies too", async () => {
    for (const service of ["/echo", "/cookie_needed_echo"]) {
      const headers = { Origin: "https://elsewhere.example" };
      const url = `http://${server.http}${service}/000/${service.length}-origin/xhr`;
      const response = await fetch(url, { method: "POST", headers });
      assert.equal(await response.text(), "o\n");
      assert.equal(response.headers.get("access-control-allow-origin"), headers.Origin);
      assert.equal(response.headers.get("access-control-allow-credentials"), "true");
      const cookie = response.headers.get("set-cookie");
      assert.equal(cookie, service === "/echo" ? null : "JSESSIONID=dummy; path=/");
    }
  });
});
