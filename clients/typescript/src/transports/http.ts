import { Sender } from "./sender.js";
import type { OpenTransport } from "./transport.js";

/** How long to wait after a response that had nothing in it, in milliseconds. */
const EMPTY_RESPONSE_PAUSE = 200;

/**
 * Receives one response until the signal. Tells whether it had frames; rejects when there can be no more.
 */
export type Receive = (
  at: Parameters<OpenTransport>[0],
  listener: Parameters<OpenTransport>[1],
  options: Parameters<OpenTransport>[2],
  signal: AbortSignal,
) => Promise<boolean>;

/** A transport that receives one response after the other, and sends requests meanwhile. */
export function overHttp(receive: Receive): OpenTransport {
  return (at, listener, options) => {
    const controller = new AbortController();
    const { signal } = controller;
    const abort = (): void => controller.abort();
    const lost = (reason: string): void => {
      if (signal.aborted) return;
      abort();
      listener.lost(1006, reason);
    };
    const sender = new Sender(at("/xhr_send"), options, signal, lost);
    const receiveAll = async (): Promise<void> => {
      while (!signal.aborted) {
        const hadFrames = await receive(at, listener, options, signal);
        if (!hadFrames) await new Promise((resolve) => setTimeout(resolve, EMPTY_RESPONSE_PAUSE));
      }
    };
    receiveAll().catch(() => lost("permanent"));
    return {
      send: (message) => sender.push(message),
      // The server ends the session with the response under way, which is therefore the last to go.
      close: () => sender.finish(abort),
      abort,
    };
  };
}
