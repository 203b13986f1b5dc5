import type { OpenTransport } from "./transport.js";
export declare const openXhrStreaming: OpenTransport;
export declare const openXhrPolling: OpenTransport;
