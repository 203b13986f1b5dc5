// A server of SockJS that follows a script.

import { once } from "node:events";
import http from "node:http";

export class Peer {
  /// `script` is given the last segment of each path, the request with its body, and how to answer.
  static async start(script) {
    const peer = new Peer();
    peer.asked = [];
    peer.server = http.createServer(async (request, response) => {
      let body = "";
      for await (const part of request) body += part;
      const what = request.url.split("?")[0].split("/").at(-1);
      const before = peer.asked.filter((asked) => asked.what === what).length;
      peer.asked.push({ what, url: request.url, method: request.method, headers: request.headers, body });
      const answer = (text, status = 200, headers = {}) => response.writeHead(status, headers).end(text);
      await script({ what, before, answer, request, response, body });
    });
    peer.server.listen(0, "127.0.0.1");
    await once(peer.server, "listening");
    peer.url = `http://127.0.0.1:${peer.server.address().port}/echo`;
    return peer;
  }

  what() {
    return this.asked.map(({ what }) => what);
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/// Opens sessions by polling, answers what it is sent, and falls silent otherwise.
export function polling() {
  const waiting = [];
  let poll;
  const flush = () => {
    if (poll === undefined || waiting.length === 0) return;
    poll(`a${JSON.stringify(waiting.splice(0))}\n`);
    poll = undefined;
  };
  return ({ what, before, answer, body }) => {
    if (what === "info") return answer('{"websocket":false}');
    if (what === "xhr" && before === 0) return answer("o\n");
    if (what === "xhr") poll = answer;
    else if (what === "xhr_send") {
      waiting.push(...JSON.parse(body));
      answer(undefined, 204);
    } else answer("", 404);
    flush();
  };
}

/// The events of a socket, to be awaited one after the other.
export function events(sockjs) {
  const queue = [];
  const waiting = [];
  for (const type of ["open", "message", "close", "error", "heartbeat", "reconnecting"]) {
    sockjs.addEventListener(type, ({ data, code, reason, wasClean, attempt }) => {
      const known = Object.entries({ data, code, reason, wasClean, attempt });
      const event = { type, ...Object.fromEntries(known.filter(([, value]) => value !== undefined)) };
      const next = waiting.shift();
      if (next) next(event);
      else queue.push(event);
    });
  }
  return () => {
    if (queue.length > 0) return Promise.resolve(queue.shift());
    return new Promise((resolve) => waiting.push(resolve));
  };
}
