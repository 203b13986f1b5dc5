import type { TransportOptions } from "../options.js";

/** One way to a session. */
export interface Transport {
  send(message: Sendable): void;
  /** Lets go of the connection when what is left is sent. */
  close(code: number, reason: string): void;
  /** Lets go of the connection at once. */
  abort(): void;
}

/** All but `websocket-raw` carry texts only. */
export type Sendable = string | ArrayBuffer | ArrayBufferView<ArrayBuffer> | Blob;

/** Whom a transport tells. */
export interface Listener {
  /** A frame, or a part of the prelude. */
  frame(frame: string): void;
  /** Octets of a frame that may not be whole yet. */
  alive(): void;
  /** A message without framing: `websocket-raw`. */
  message(data: unknown): void;
  /** There is no framing, and the connection is open. */
  open(): void;
  /** It can go on no more. */
  lost(code: number, reason: string, wasClean?: boolean): void;
}

/** `at` gives the URL of what lies beneath the session. */
export type OpenTransport = (
  at: (what: string) => string,
  listener: Listener,
  options: TransportOptions,
) => Transport;
