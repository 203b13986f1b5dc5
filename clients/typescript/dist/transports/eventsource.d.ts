import type { OpenTransport } from "./transport.js";
/**
 * `eventsource`: the data of server-sent events, in one response after the other.
 *
 * A browser would wait for seconds before it asks again, and would ask for ever. So each `EventSource` has one
 * response, and one that has not begun is the end.
 */
export declare const openEventSource: OpenTransport;
