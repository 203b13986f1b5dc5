import type { OpenTransport } from "./transport.js";
/**
 * Receives one response until the signal. Tells whether it had frames; rejects when there can be no more.
 */
export type Receive = (at: Parameters<OpenTransport>[0], listener: Parameters<OpenTransport>[1], options: Parameters<OpenTransport>[2], signal: AbortSignal) => Promise<boolean>;
/** A transport that receives one response after the other, and sends requests meanwhile. */
export declare function overHttp(receive: Receive): OpenTransport;
