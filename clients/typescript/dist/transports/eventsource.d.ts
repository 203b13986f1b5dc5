import type { OpenTransport } from "./transport.js";
/** `eventsource`: the data of server-sent events, in one response after the other. */
export declare const openEventSource: OpenTransport;
