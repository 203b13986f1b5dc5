// Starts the real binary on free ports, and stops it as a person would.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const BINARY =
  process.env.TIDINGS_BIN ?? fileURLToPath(new URL("../../../target/debug/tidings", import.meta.url));

/// Where the library's examples are.
export const EXAMPLES = path.join(path.dirname(BINARY), "examples");

/// Nothing takes this long; it only ends a test that hangs.
export const PATIENCE_MS = 20_000;

export class Server {
  static async start(...flags) {
    const server = new Server();
    for (const flag of ["--listen", "--stomp-listen"]) {
      if (!flags.includes(flag)) flags.push(flag, "127.0.0.1:0");
    }
    if (!flags.includes("--data-dir")) flags.push("--data-dir", path.join(tmpdir(), `tidings-${randomUUID()}`));
    server.process = spawn(BINARY, flags, { stdio: ["ignore", "pipe", "pipe"] });
    server.stdout = "";
    server.stderr = "";
    server.process.stderr.setEncoding("utf8").on("data", (text) => (server.stderr += text));
    server.process.stdout.setEncoding("utf8").on("data", (text) => (server.stdout += text));
    const find = (pattern) => server.stdout.match(pattern)?.[1];
    while (!server.stdout.includes("Ctrl-C")) {
      await within(once(server.process.stdout, "data"), "the server says nothing: " + server.stderr);
    }
    server.http = find(/^\s+HTTP\s+http:\/\/([^/\s]+)\//m);
    server.stomp = find(/^\s+STOMP\s+(\S+)/m);
    return server;
  }

  get httpPort() {
    return Number(this.http.split(":").at(-1));
  }

  get stompPort() {
    return Number(this.stomp.split(":").at(-1));
  }

  /// Stops the server, which must succeed, and must not have complained.
  async stop(signal = "SIGTERM") {
    this.process.kill(signal);
    const [code, killedBy] = await within(once(this.process, "exit"), "the server does not stop");
    assert.deepEqual([code, killedBy], [0, null], this.stderr);
    assert.doesNotMatch(this.stderr, /ERROR|panicked/);
  }
}

/// One of the library's examples, on a free port.
export class Example {
  static async start(name, listen = "127.0.0.1:0") {
    const command = path.join(EXAMPLES, name);
    return Example.run(new Example(), name, command, ["--listen", listen]);
  }

  static async run(example, name, command, args) {
    example.process = spawn(command, args);
    example.output = "";
    for (const stream of [example.process.stdout, example.process.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (example.output += text));
    }
    while (!(example.http = example.output.match(/^listening on (\S+)$/m)?.[1])) {
      await within(once(example.process.stdout, "data"), `${name} says nothing`);
    }
    return example;
  }

  get port() {
    return Number(this.http.split(":").at(-1));
  }

  /// Stops it; it must not have complained.
  async stop() {
    this.process.kill("SIGINT");
    const [code, killedBy] = await within(once(this.process, "exit"), "the example does not stop");
    assert.deepEqual([code, killedBy], [0, null], this.output);
    assert.doesNotMatch(this.output, /ERROR|panicked/);
  }
}

/// npm's sockjs, the reference server, on a free port.
export class SockJsNode extends Example {
  static async start() {
    const script = fileURLToPath(new URL("sockjs-node.mjs", import.meta.url));
    return Example.run(new SockJsNode(), "sockjs-node", process.execPath, [script]);
  }
}

/// What comes of a promise, or an error that says what did not come.
export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`timed out: ${what}`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/// Values that come by events, to be awaited one after another.
export class Inbox {
  #values = [];
  #waiting = [];

  push(value) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(value);
    else this.#values.push(value);
  }

  next(what = "the next value") {
    if (this.#values.length > 0) return Promise.resolve(this.#values.shift());
    return within(new Promise((resolve) => this.#waiting.push(resolve)), what);
  }

  get size() {
    return this.#values.length;
  }
}

/// A bare connection that writes octets and reads text.
export class Raw {
  static async connect(port) {
    const raw = new Raw();
    raw.socket = net.connect(port, "127.0.0.1");
    raw.received = Buffer.alloc(0);
    raw.ended = false;
    raw.changed = new Inbox();
    raw.socket.on("data", (data) => {
      raw.received = Buffer.concat([raw.received, data]);
      raw.changed.push();
    });
    const end = () => {
      raw.ended = true;
      raw.changed.push();
    };
    raw.socket.on("end", end).on("close", end).on("error", end);
    await within(once(raw.socket, "connect"), "connection");
    return raw;
  }

  write(octets) {
    this.socket.write(octets);
  }

  /// Everything up to and including `end`.
  async until(end) {
    for (;;) {
      const at = this.received.indexOf(end);
      if (at >= 0) {
        const head = this.received.subarray(0, at + end.length);
        this.received = this.received.subarray(at + end.length);
        return head.toString("latin1");
      }
      assert.ok(!this.ended, `the stream ended before ${JSON.stringify(end)}: ${this.received}`);
      await this.changed.next(JSON.stringify(end));
    }
  }

  /// At least this many octets.
  async octets(count) {
    while (this.received.length < count) {
      assert.ok(!this.ended, `the stream ended after ${this.received.length} octets`);
      await this.changed.next(`${count} octets`);
    }
    const head = this.received.subarray(0, count);
    this.received = this.received.subarray(count);
    return head;
  }

  async toEnd() {
    while (!this.ended) await this.changed.next("the end of the stream");
    return this.received.toString("latin1");
  }

  /// Opens a WebSocket by hand; what follows are its frames.
  async upgrade(path, headers = "") {
    this.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`,
    );
    return this.until("\r\n\r\n");
  }

  /// The next frame of a server: its first octet and its payload.
  async frame() {
    const [first, length] = await this.octets(2);
    const size = length < 126 ? length : (await this.octets(2)).readUInt16BE();
    return { first, payload: Buffer.from(await this.octets(size)) };
  }
}
