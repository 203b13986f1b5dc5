// Compiled by types.test.mjs, and never run.

import SockJS, { type ReconnectOptions, type SockJSOptions } from "../dist/index.js";

/** What `@stomp/stompjs` wants of a socket. */
interface StompSocket {
  url: string;
  binaryType?: string;
  onclose: ((event?: any) => any) | undefined | null;
  onerror: ((event: any) => any) | undefined | null;
  onmessage: ((event: any) => any) | undefined | null;
  onopen: ((event?: any) => any) | undefined | null;
  readonly readyState: number;
  close(): void;
  send(data: string | ArrayBuffer): void;
}

const reconnect: ReconnectOptions = { delay: 100, when: ({ code }) => code !== 1001 };
const options: SockJSOptions = {
  transports: ["websocket", "xhr-polling", "jsonp-polling"],
  headers: async () => ({ Authorization: "Bearer x" }),
  sessionId: () => "secret",
  reconnect,
};
const sockjs = new SockJS("/chat", null, options);
export const stompSocket: StompSocket = new SockJS(new URL("https://example.org/"), []);

const onMessage = (event: MessageEvent): void => console.log(JSON.parse(event.data));
sockjs.onmessage = onMessage;
sockjs.onclose = (event: CloseEvent) => console.log(event.code, event.reason, event.wasClean);
sockjs.addEventListener("message", onMessage);
sockjs.removeEventListener("message", onMessage);
sockjs.addEventListener("reconnecting", ({ attempt, delay, code }) => console.log(attempt + delay + code));
sockjs.onopen = function () {
  this.send(new Uint8Array(3));
  this.close(3000, "enough");
};
export const state: 0 | 1 | 2 | 3 = sockjs.readyState;

// @ts-expect-error: a socket has an address
new SockJS();
// @ts-expect-error: there is no such option
new SockJS("/chat", null, { header: {} });
// @ts-expect-error: the URL is what it is
sockjs.url = "/other";
