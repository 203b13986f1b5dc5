import type { OpenTransport } from "./transport.js";
/** `websocket`: a message of the WebSocket is a frame. */
export declare const openWebSocket: OpenTransport;
/** `websocket-raw`: without framing, and so with binary messages, and with codes of the page's own. */
export declare const openRawWebSocket: OpenTransport;
