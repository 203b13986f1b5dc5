// Our native client of SockJS, against npm's server and ours, on every transport.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { EXAMPLES, Example, Inbox, SockJsNode, within } from "../support/server.js";

const TRANSPORTS = {
  websocket: "websocket",
  xhr_streaming: "xhr-streaming",
  eventsource: "eventsource",
  xhr: "xhr-polling",
};

const AWKWARD = [
  "",
  "100% %41",
  '"quoted" \\ back',
  "\0\b\t\n\f\r\x1f\x7f",
  "\u200c\u200f\u2028\u202f\u2060\u206f\ufff0\uffff",
  "gr\u00fc\u00dfe \u{1f600} \u{10ffff}",
  'a["o"]\nh\nc[3000]',
  "0123456789abcdef".repeat(1 << 16),
];

/// The example `sockjs_client`, whose lines come one after the other.
class Client {
  constructor(url, transport) {
    this.process = spawn(path.join(EXAMPLES, "sockjs_client"), [url, transport]);
    this.lines = new Inbox();
    createInterface({ input: this.process.stdout }).on("line", (line) => this.lines.push(line));
    this.errors = "";
    this.process.stderr.setEncoding("utf8").on("data", (text) => (this.errors += text));
    this.exit = once(this.process, "exit");
  }

  send(message) {
    this.process.stdin.write(JSON.stringify(message) + "\n");
  }

  async close() {
    this.process.stdin.end();
    assert.match(await this.lines.next("the end"), /^closed with 1000/);
    assert.deepEqual(await within(this.exit, "the client does not end"), [0, null], this.errors);
  }
}

const SERVERS = { "npm sockjs": () => SockJsNode.start(), tidings: () => Example.start("sockjs_conformance") };

for (const [name, start] of Object.entries(SERVERS)) {
  describe(`native SockJS client and ${name}`, () => {
    let server;
    before(async () => (server = await start()));
    after(() => server.stop());

    for (const [transport, reported] of Object.entries(TRANSPORTS)) {
      test(`${reported} echoes awkward texts`, async () => {
        const client = new Client(`http://${server.http}/echo`, transport);
        assert.equal(await client.lines.next("opening"), `open by ${reported}`);
        for (const text of AWKWARD) client.send(text);
        for (const text of AWKWARD) assert.equal(JSON.parse(await client.lines.next(text)), text);
        await client.close();
      });

      test(`${reported} learns why the server closes`, async () => {
        const client = new Client(`http://${server.http}/close`, transport);
        assert.equal(await client.lines.next("opening"), `open by ${reported}`);
        assert.equal(await client.lines.next("the end"), "closed with 3000 Go away!");
      });
    }

    test("cookies are sent back", async () => {
      const client = new Client(`http://${server.http}/cookie_needed_echo`, "xhr");
      assert.equal(await client.lines.next("opening"), "open by xhr-polling");
      client.send("sweet");
      assert.equal(await client.lines.next("echo"), '"sweet"');
      await client.close();
    });

    test("what the server has not is not tried", async () => {
      const client = new Client(`http://${server.http}/disabled_websocket_echo`, "websocket");
      assert.deepEqual(await within(client.exit, "it goes on"), [1, null]);
      assert.match(client.errors, /AllTransportsFailed\(\[\]\)/);
    });

    test("a server that is killed is noticed", async () => {
      const other = await start();
      const clients = Object.keys(TRANSPORTS).map((it) => new Client(`http://${other.http}/echo`, it));
      for (const client of clients) assert.match(await client.lines.next("opening"), /^open by/);
      other.process.kill("SIGKILL");
      for (const client of clients) assert.match(await client.lines.next("the end"), /^closed with 1006/);
    });
  });
}
