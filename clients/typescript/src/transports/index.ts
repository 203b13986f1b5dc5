import type { Info } from "../info.js";
import { openEventSource } from "./eventsource.js";
import type { OpenTransport } from "./transport.js";
import { openRawWebSocket, openWebSocket } from "./websocket.js";
import { openXhrPolling, openXhrStreaming } from "./xhr.js";

export type TransportName =
  | "websocket"
  | "xhr-streaming"
  | "eventsource"
  | "xhr-polling"
  | "websocket-raw";

interface Row {
  readonly name: TransportName;
  readonly open: OpenTransport;
  /** Whether the browser has what it takes. */
  readonly isThere: () => boolean;
  /** Whether it can carry header fields of the user's. */
  readonly carriesHeaders: boolean;
}

const hasWebSocket = (): boolean => typeof WebSocket !== "undefined";
const hasFetch = (): boolean => typeof fetch !== "undefined";
const hasEventSource = (): boolean => typeof EventSource !== "undefined";

/** All transports, the best first. */
const TRANSPORTS: readonly Row[] = [
  { name: "websocket-raw", open: openRawWebSocket, isThere: hasWebSocket, carriesHeaders: false },
  { name: "websocket", open: openWebSocket, isThere: hasWebSocket, carriesHeaders: false },
  { name: "xhr-streaming", open: openXhrStreaming, isThere: hasFetch, carriesHeaders: true },
  { name: "eventsource", open: openEventSource, isThere: hasEventSource, carriesHeaders: false },
  { name: "xhr-polling", open: openXhrPolling, isThere: hasFetch, carriesHeaders: true },
];

/** Those to be tried: the wanted ones, or all that carry what the user wants and every server has. */
export function usableTransports(
  wanted: string | readonly string[] | undefined,
  hasHeaders: boolean,
): Row[] {
  const names = typeof wanted === "string" ? [wanted] : (wanted ?? []);
  return TRANSPORTS.filter(({ name, isThere, carriesHeaders }) => {
    const isWanted = names.length > 0 ? names.includes(name) : name !== "websocket-raw";
    return isWanted && isThere() && (carriesHeaders || !hasHeaders || names.length > 0);
  });
}

/** Whether the server has it, as far as it tells. */
export function isOffered({ name }: Row, { websocket, transports }: Info): boolean {
  const isWebSocket = name === "websocket" || name === "websocket-raw";
  return (websocket || !isWebSocket) && (transports?.includes(name) ?? true);
}

export type { Row as TransportRow };
