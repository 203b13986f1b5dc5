// The client in Node, against servers that follow a script. What browsers add is tested in `interop/node`.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import SockJS from "../dist/sockjs.mjs";
import { Peer, events, polling } from "../support/peer.mjs";

let peers = [];
let sockets = [];
afterEach(() => {
  for (const socket of sockets) socket.close();
  for (const peer of peers) peer.stop();
  peers = [];
  sockets = [];
});

async function start(script) {
  const peer = await Peer.start(script);
  peers.push(peer);
  return peer;
}

function connect(url, options) {
  const sockjs = new SockJS(url, null, options);
  sockets.push(sockjs);
  return { sockjs, next: events(sockjs) };
}

const lost = (reason) => ({ type: "close", code: 1006, reason, wasClean: false });

test("arguments are checked as those of sockjs-client", () => {
  assert.throws(() => new SockJS(), TypeError);
  for (const url of ["", "//", "echo", "ftp://example.org/", "http://example.org/#x", "http://"]) {
    assert.throws(() => new SockJS(url), SyntaxError, url);
  }
  assert.throws(() => new SockJS("http://127.0.0.1:1/", ["a", "a"]), /duplicated/);
  assert.throws(() => new SockJS("http://127.0.0.1:1/", [""]), /invalid/);
  assert.throws(() => new SockJS("http://127.0.0.1:1/", null, { sessionId: "mine" }), TypeError);
});

test("a socket looks like a WebSocket", () => {
  const { sockjs } = connect("http://127.0.0.1:1/echo//?x=y");
  assert.equal(sockjs.url, "http://127.0.0.1:1/echo?x=y");
  assert.deepEqual([sockjs.readyState, sockjs.protocol, sockjs.extensions], [SockJS.CONNECTING, "", ""]);
  assert.deepEqual([sockjs.CONNECTING, sockjs.OPEN, sockjs.CLOSING, sockjs.CLOSED], [0, 1, 2, 3]);
  assert.equal(sockjs.transport, null);
  assert.throws(() => sockjs.send("x"), /InvalidStateError/);
  assert.throws(() => sockjs.close(1001), { name: "InvalidAccessError", message: /^InvalidAccessError: / });
  assert.throws(() => sockjs.close(5000), /InvalidAccessError/);
  assert.throws(() => sockjs.close(3000, "x".repeat(124)), SyntaxError);
});

test("on a page served securely, an insecure service is refused unless it is on this machine", () => {
  globalThis.location = new URL("https://example.org/");
  try {
    assert.throws(() => new SockJS("http://example.org/echo"), /SecurityError/);
    for (const url of ["http://127.1.2.3:1/", "http://[::1]:1/", "https://example.org/echo", "/echo"]) {
      connect(url).sockjs.close();
    }
  } finally {
    delete globalThis.location;
  }
});

test("it opens, echoes and closes", async () => {
  const peer = await start(polling());
  const { sockjs, next } = connect(peer.url);
  const order = [];
  sockjs.onopen = () => order.push("open");
  sockjs.onclose = ({ code }) => order.push(code);
  assert.equal((await next()).type, "open");
  assert.deepEqual([sockjs.readyState, sockjs.transport], [SockJS.OPEN, "xhr-polling"]);
  for (const text of ["", "100% %41", '"\\\u2028\u{1f600}', "a\nb"]) {
    sockjs.send(text);
    assert.deepEqual(await next(), { type: "message", data: text });
  }
  sockjs.send({ toString: () => "an object" });
  assert.equal((await next()).data, "an object");
  sockjs.close(3500, "enough");
  assert.equal(sockjs.readyState, SockJS.CLOSING);
  assert.deepEqual(await next(), { type: "close", code: 3500, reason: "enough", wasClean: true });
  assert.equal(sockjs.readyState, SockJS.CLOSED);
  sockjs.send("ignored");
  assert.deepEqual(order, ["open", 3500]);
});

test("URLs are those of the protocol, and keep their query", async () => {
  const peer = await start(polling());
  const { sockjs, next } = connect(`${peer.url}?token=x`, { server: "srv" });
  await next();
  sockjs.send("x");
  await next();
  const [info, ...others] = peer.asked.map(({ url }) => url);
  assert.equal(info, "/echo/info?token=x");
  for (const url of others) assert.match(url, /^\/echo\/srv\/[a-z0-5]{8}\/\w+\?token=x$/);
  const other = connect(peer.url, { sessionId: () => "chosen" });
  await other.next();
  assert.match(peer.asked.at(-1).url, /^\/echo\/\d{3}\/chosen\/xhr$/);
});

test("transports are tried one after the other, each with a session of its own", async () => {
  const answers = polling();
  const peer = await start((asked) =>
    asked.what === "xhr_streaming" ? asked.answer("", 503) : answers(asked),
  );
  const { sockjs, next } = connect(peer.url);
  await next();
  assert.equal(sockjs.transport, "xhr-polling");
  assert.deepEqual(peer.what().slice(0, 3), ["info", "xhr_streaming", "xhr"]);
  const session = ({ url }) => url.split("/")[3];
  assert.notEqual(session(peer.asked[1]), session(peer.asked[2]));
});

test("only the wanted transports are tried, in the order of the client", async () => {
  const peer = await start(polling());
  const { next } = connect(peer.url, { transports: ["xhr-polling", "jsonp-polling"] });
  await next();
  assert.deepEqual(peer.what().slice(0, 2), ["info", "xhr"]);
});

test("when nothing works, the code is 2000", async () => {
  const peer = await start(({ what, answer }) => (what === "info" ? answer("{}") : answer("", 404)));
  const { next } = connect(peer.url);
  const end = { type: "close", code: 2000, reason: "All transports failed", wasClean: false };
  assert.deepEqual(await next(), end);
});

test("a transport that says nothing is given up, but not before five seconds", async () => {
  const answers = polling();
  const times = [];
  const peer = await start((asked) => {
    times.push(performance.now());
    if (asked.what !== "xhr_streaming") answers(asked);
  });
  const { sockjs, next } = connect(peer.url, { connectTimeout: 1, timeout: 1 });
  await next();
  assert.equal(sockjs.transport, "xhr-polling");
  const [, streaming, polled] = times;
  assert.ok(polled - streaming >= 4_900, `after ${polled - streaming} ms`);
});

test("a transport that is refused at once is passed over", async () => {
  globalThis.WebSocket = class {
    constructor() {
      throw new Error("SecurityError");
    }
  };
  try {
    const answers = polling();
    const peer = await start((asked) => (asked.what === "info" ? asked.answer("{}") : answers(asked)));
    const { sockjs, next } = connect(peer.url, { transports: ["websocket", "xhr-polling"] });
    assert.equal((await next()).type, "open");
    assert.equal(sockjs.transport, "xhr-polling");
  } finally {
    delete globalThis.WebSocket;
  }
});

test("what the server has not is not tried", async () => {
  globalThis.WebSocket = class {
    constructor() {
      assert.fail("the server has no WebSocket");
    }
  };
  try {
    for (const info of ['{"websocket":false}', '{"transports":["xhr-polling"]}']) {
      const answers = polling();
      const peer = await start((asked) => (asked.what === "info" ? asked.answer(info) : answers(asked)));
      const transports = ["websocket-raw", "websocket", "xhr-polling"];
      assert.equal((await connect(peer.url, { transports }).next()).type, "open");
      assert.deepEqual(peer.what().slice(0, 2), ["info", "xhr"]);
    }
  } finally {
    delete globalThis.WebSocket;
  }
});

test("a server that says it is where nothing can be is not reached", async () => {
  const peer = await start(({ answer }) => answer('{"base_url":"http://"}'));
  const end = { type: "close", code: 1002, reason: "Cannot connect to server", wasClean: false };
  assert.deepEqual(await connect(peer.url).next(), end);
});

test("a service that is not there is 1002", async () => {
  const peer = await start(({ answer }) => answer("", 404));
  const end = { type: "close", code: 1002, reason: "Cannot connect to server", wasClean: false };
  assert.deepEqual(await connect(peer.url).next(), end);
  peer.stop();
  assert.deepEqual(await connect(peer.url).next(), end);
});

test("closing before anything is known is an error too", async () => {
  const peer = await start(() => {});
  const { sockjs, next } = connect(peer.url);
  sockjs.close();
  assert.equal((await next()).type, "error");
  assert.deepEqual(await next(), { type: "close", code: 1000, reason: "Normal closure", wasClean: true });
});

test("an answer that cannot be read says nothing, and the server may be elsewhere", async () => {
  const answers = polling();
  const peer = await start((asked) => (asked.what === "info" ? asked.answer("<html>") : answers(asked)));
  assert.equal((await connect(peer.url, { transports: "xhr-polling" }).next()).type, "open");

  const other = await start(({ answer }) => answer(JSON.stringify({ base_url: peer.url + "/there" })));
  await connect(other.url, { transports: "xhr-polling" }).next();
  assert.match(peer.asked.at(-1).url, /^\/echo\/there\//);
});

test("a close frame ends everything, also in place of the opening one", async () => {
  const peer = await start(({ what, before, answer }) => {
    if (what === "info") return answer("{}");
    return answer(before === 0 ? "o\n" : 'c[3000,"Go away!"]\n');
  });
  const { next } = connect(peer.url, { transports: "xhr-polling" });
  await next();
  const end = { type: "close", code: 3000, reason: "Go away!", wasClean: true };
  assert.deepEqual(await next(), end);

  const other = await start(({ what, answer }) => answer(what === "info" ? "{}" : 'c[2010,"Another"]\n'));
  const closed = { type: "close", code: 2010, reason: "Another", wasClean: true };
  assert.deepEqual(await connect(other.url).next(), closed);
  assert.deepEqual(other.what(), ["info", "xhr_streaming"]);
});

test("frames may be cut anywhere", async () => {
  const peer = await start(async ({ what, answer, response }) => {
    if (what === "info") return answer("{}");
    const octets = Buffer.from('hhhh\no\r\na["one","tw\u{1f600}"]\n\nx\na{}\nm"three"\n');
    for (const octet of octets) {
      await new Promise((resolve) => response.write(Buffer.from([octet]), resolve));
    }
  });
  const { next } = connect(peer.url, { transports: "xhr-streaming" });
  assert.equal((await next()).type, "open");
  for (const data of ["one", "tw\u{1f600}", "three"]) {
    assert.deepEqual(await next(), { type: "message", data });
  }
});

test("a connection that breaks off is 1006", async () => {
  const peer = await start(({ what, answer, response }) => {
    if (what === "info") return answer("{}");
    response.write('o\na["broken', () => response.destroy());
  });
  const { next } = connect(peer.url, { transports: "xhr-streaming" });
  await next();
  assert.deepEqual(await next(), lost("permanent"));
});

test("a server that has forgotten the session is 1006", async () => {
  const peer = await start(({ what, answer }) => answer(what === "info" ? "{}" : "o\n"));
  const { next } = connect(peer.url, { transports: "xhr-polling" });
  await next();
  assert.deepEqual(await next(), lost("Server lost session"));
});

test("sending that fails is 1006", async () => {
  const answers = polling();
  const peer = await start((asked) => (asked.what === "xhr_send" ? asked.answer("", 404) : answers(asked)));
  const { sockjs, next } = connect(peer.url, { transports: "xhr-polling" });
  await next();
  sockjs.send("x");
  assert.deepEqual(await next(), lost("Sending error: Error: http status 404"));
});

test("one request is under way, and the next takes all that waits", async () => {
  const peer = await start(polling());
  const { sockjs, next } = connect(peer.url);
  await next();
  const sent = Array.from({ length: 100 }, (_, index) => String(index));
  for (const text of sent) sockjs.send(text);
  for (const data of sent) assert.deepEqual(await next(), { type: "message", data });
  const requests = peer.asked.filter(({ what }) => what === "xhr_send");
  assert.deepEqual(requests.flatMap(({ body }) => JSON.parse(body)), sent);
  assert.equal(requests.length, 2);
  assert.equal(requests[0].headers["content-type"], "text/plain");
});

test("large messages do not make one large request", async () => {
  const peer = await start(polling());
  const { sockjs, next } = connect(peer.url);
  await next();
  const sent = Array.from({ length: 8 }, (_, index) => String(index).repeat(60_000));
  for (const text of sent) sockjs.send(text);
  for (const data of sent) assert.deepEqual(await next(), { type: "message", data });
  const bodies = peer.asked.filter(({ what }) => what === "xhr_send").map(({ body }) => JSON.parse(body));
  assert.deepEqual(bodies.flat(), sent);
  assert.deepEqual(bodies.map(({ length }) => length), [1, 3, 3, 1]);
});

test("what was sent before the end is sent, and then the session is let go", async () => {
  const answers = polling();
  let release;
  let gone;
  const isGone = new Promise((resolve) => (gone = resolve));
  let first;
  const isFirst = new Promise((resolve) => (first = resolve));
  const peer = await start((asked) => {
    if (asked.what === "xhr" && asked.before > 0) asked.response.on("close", gone);
    else if (asked.what === "xhr_send" && asked.before === 0) {
      release = () => asked.answer(undefined, 204);
      first();
    } else answers(asked);
  });
  const { sockjs, next } = connect(peer.url);
  await next();
  for (const text of ["one", "two", "three"]) sockjs.send(text);
  await isFirst;
  sockjs.close();
  assert.equal((await next()).code, 1000);
  release();
  await isGone;
  const bodies = peer.asked.filter(({ what }) => what === "xhr_send").map(({ body }) => body);
  assert.deepEqual(bodies, ['["one"]', '["two","three"]']);
});

test("a response with nothing in it is no reason to hurry", async () => {
  const times = [];
  const peer = await start(({ what, before, answer }) => {
    if (what === "info") return answer("{}");
    times.push(performance.now());
    answer(["o\n", "", 'a["x"]\n'][before]);
  });
  const { next } = connect(peer.url, { transports: "xhr-polling" });
  await next();
  await next();
  assert.ok(times[2] - times[1] >= 190, `after ${times[2] - times[1]} ms`);
});

test("header fields may be made anew for each request", async () => {
  const peer = await start(polling());
  let number = 0;
  const headers = async () => ({ Authorization: `Bearer ${(number += 1)}`, "content-type": "text/html" });
  const { sockjs, next } = connect(peer.url, { headers });
  await next();
  sockjs.send("x");
  await next();
  const tokens = peer.asked.map(({ headers }) => headers.authorization);
  assert.equal(new Set(tokens).size, peer.asked.length);
  const { headers: sent } = peer.asked.find(({ what }) => what === "xhr_send");
  assert.equal(sent["content-type"], "text/plain");
});

test("header fields that cannot be made are the end", async () => {
  const headers = () => Promise.reject(new Error("logged out"));
  assert.equal((await connect("http://127.0.0.1:1/echo", { headers }).next()).code, 1002);
});

test("EventSource carries cookies where the page wants it, or the server needs them", async () => {
  for (const [info, withCredentials, expected] of [
    ["{}", undefined, false],
    ["{}", true, true],
    ['{"cookie_needed":true}', undefined, true],
    ['{"cookie_needed":true}', false, false],
  ]) {
    const peer = await start(({ answer }) => answer(info));
    const made = new Promise((resolve) => {
      globalThis.EventSource = class {
        constructor(_, init) {
          resolve(init.withCredentials);
        }
        close() {}
      };
    });
    const { sockjs } = connect(peer.url, { transports: "eventsource", withCredentials });
    assert.equal(await made, expected);
    sockjs.close();
    delete globalThis.EventSource;
  }
});

test("header fields go with every request, and leave out what cannot carry them", async () => {
  globalThis.WebSocket = class {
    constructor() {
      assert.fail("a WebSocket carries no header fields");
    }
  };
  try {
    const peer = await start(polling());
    const { sockjs, next } = connect(peer.url, { headers: { Authorization: "Bearer x" } });
    await next();
    sockjs.send("x");
    await next();
    assert.ok(peer.asked.length >= 4);
    for (const { headers } of peer.asked) assert.equal(headers.authorization, "Bearer x");
  } finally {
    delete globalThis.WebSocket;
  }
});

test("a server that falls silent after a heartbeat is given up", async () => {
  const peer = await start(({ what, answer, response }) => {
    if (what === "info") answer("{}");
    else response.write("hhh\no\nh\n");
  });
  const { sockjs, next } = connect(peer.url, { transports: "xhr-streaming", heartbeatTimeout: 30 });
  let beats = 0;
  sockjs.onheartbeat = () => (beats += 1);
  await next();
  assert.equal((await next()).type, "heartbeat");
  assert.deepEqual(await next(), lost("No heartbeat"));
  assert.equal(beats, 1, "the prelude is none");
});

test("octets of a frame that is not whole are a sign of life", async () => {
  const large = "x".repeat(30);
  const peer = await start(async ({ what, answer, response }) => {
    if (what === "info") return answer("{}");
    response.write('o\nh\n');
    for (const part of ['a["', ...large, '"]\n']) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      response.write(part);
    }
  });
  const { next } = connect(peer.url, { transports: "xhr-streaming", heartbeatTimeout: 150 });
  await next();
  assert.equal((await next()).type, "heartbeat");
  assert.deepEqual(await next(), { type: "message", data: large });
});

test("a server that never beats may be silent", async () => {
  const peer = await start(({ what, before, answer, response }) => {
    if (what === "info") answer("{}");
    else if (before === 0) answer("o\n");
    else setTimeout(() => response.end('a["at last"]\n'), 100);
  });
  const { next } = connect(peer.url, { transports: "xhr-polling", heartbeatTimeout: 20 });
  await next();
  assert.deepEqual(await next(), { type: "message", data: "at last" });
});

test("a handler may close while messages are delivered", async () => {
  const peer = await start(({ what, answer, response }) => {
    if (what === "info") answer("{}");
    else response.write('o\na["one","two","three"]\n');
  });
  const { sockjs, next } = connect(peer.url, { transports: "xhr-streaming" });
  sockjs.onmessage = () => sockjs.close();
  const types = [await next(), await next(), await next()].map(({ type, data }) => data ?? type);
  assert.deepEqual(types, ["open", "one", "close"]);
});

test("a connection that is lost is made again, if that is wanted", async () => {
  const peer = await start(({ what, before, answer, response }) => {
    if (what === "info") answer("{}");
    else if (before < 2) response.write('o\na["hello"]\n', () => response.destroy());
    else response.write('o\na["here to stay"]\n');
  });
  const reconnect = { delay: 1, attempts: 3 };
  const { sockjs, next } = connect(peer.url, { transports: "xhr-streaming", reconnect });
  for (const time of [1, 2]) {
    assert.equal((await next()).type, "open");
    assert.equal((await next()).data, "hello");
    const { type, attempt, code } = await next();
    assert.deepEqual([type, attempt, code], ["reconnecting", time, 1006]);
    assert.deepEqual([sockjs.readyState, sockjs.transport], [SockJS.CONNECTING, null]);
    assert.throws(() => sockjs.send("too early"), { name: "InvalidStateError" });
  }
  assert.equal((await next()).type, "open");
  assert.equal((await next()).data, "here to stay");
  sockjs.close();
  assert.equal((await next()).code, 1000);
});

test("attempts to connect again come to an end", async () => {
  const peer = await start(({ answer }) => answer("", 503));
  const { next } = connect(peer.url, { reconnect: { delay: 1, attempts: 2 } });
  const seen = [await next(), await next(), await next()];
  assert.deepEqual(seen.map(({ type }) => type), ["reconnecting", "reconnecting", "close"]);
  assert.deepEqual(seen.map(({ code }) => code), [1002, 1002, 1002]);
  assert.equal(peer.asked.length, 3);
});

test("a connection that was stable is made again without delay", async () => {
  const peer = await start(({ what, answer, response }) => {
    if (what === "info") answer("{}");
    else response.write("o\n", () => response.destroy());
  });
  const reconnect = { delay: 1, stableAfter: 0 };
  const { next } = connect(peer.url, { transports: "xhr-streaming", reconnect });
  for (let time = 0; time < 3; time += 1) {
    assert.equal((await next()).type, "open");
    assert.equal((await next()).attempt, 1);
  }
});

test("a server that goes away, or lets no transport through, may come back", async () => {
  const peer = await start(({ what, before, answer }) => {
    if (what === "info") answer("{}");
    else if (before === 0) answer('c[1001,"restart"]\n');
    else answer("", 503);
  });
  const { next } = connect(peer.url, { transports: "xhr-polling", reconnect: { delay: 1, attempts: 2 } });
  const seen = [await next(), await next(), await next()];
  assert.deepEqual(seen.map(({ type, code }) => [type, code]), [
    ["reconnecting", 1001],
    ["reconnecting", 2000],
    ["close", 2000],
  ]);
});

test("the page may decide when to connect again", async () => {
  const peer = await start(({ what, answer }) => answer(what === "info" ? "{}" : 'c[3000,"Go away!"]\n'));
  const when = ({ code, wasClean }) => code === 3000 && wasClean;
  const { sockjs, next } = connect(peer.url, { reconnect: { delay: 1, when } });
  assert.equal((await next()).type, "reconnecting");
  sockjs.close();
  assert.deepEqual(await next(), { type: "close", code: 1000, reason: "Normal closure", wasClean: true });
});

test("where the server has closed, no attempt is made", async () => {
  const peer = await start(({ what, answer }) => answer(what === "info" ? "{}" : 'c[3000,"Go away!"]\n'));
  const { next } = connect(peer.url, { reconnect: true });
  assert.deepEqual(await next(), { type: "close", code: 3000, reason: "Go away!", wasClean: true });
});
