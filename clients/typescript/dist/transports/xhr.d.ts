import type { OpenTransport } from "./transport.js";
/**
 * `xhr_streaming` and `xhr`: lines in one response after the other, which stay open for long or end with each
 * frame.
 */
export declare const openXhrStreaming: OpenTransport;
export declare const openXhrPolling: OpenTransport;
