import { isApplicationCode } from "./end.js";
import { Connection } from "./connection.js";
import type { End } from "./end.js";
import { failure } from "./failure.js";
import type { ReconnectOptions, SockJSOptions } from "./options.js";
import type { TransportName } from "./transports/index.js";
import type { Sendable } from "./transports/transport.js";
import { ServiceUrl } from "./url.js";

export type { End } from "./end.js";
export type { HeaderFields, ReconnectOptions, SockJSOptions } from "./options.js";
export type { TransportName } from "./transports/index.js";
export type { Sendable } from "./transports/transport.js";

/** The events of a socket, by their names. */
export interface SockJSEventMap {
  open: Event;
  message: MessageEvent;
  /** Comes once, and last. */
  close: CloseEvent;
  /** Closed while it was still being asked what the server can do. */
  error: Event;
  heartbeat: Event;
  /** The connection is lost, and will be made again after `delay` milliseconds. */
  reconnecting: Event & End & { readonly attempt: number; readonly delay: number };
}

type Handler<K extends keyof SockJSEventMap> =
  | ((this: SockJS, event: SockJSEventMap[K]) => unknown)
  | null;

const EVENTS = ["open", "message", "close", "error", "heartbeat", "reconnecting"] as const;

const RECONNECT: Required<ReconnectOptions> = {
  delay: 500,
  maxDelay: 30_000,
  attempts: Infinity,
  stableAfter: 10_000,
  when: ({ code }) => !isApplicationCode(code),
};

/** A connection to a SockJS service that looks like a WebSocket: a drop-in for `sockjs-client`. */
export default class SockJS extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;

  readonly url: string;
  readonly protocol = "";
  readonly extensions = "";
  readyState: 0 | 1 | 2 | 3 = 0;
  /** The name of the transport, once the socket is open. */
  transport: TransportName | null = null;
  /** What binary messages of `websocket-raw` arrive as. */
  binaryType: BinaryType = "blob";

  onopen: Handler<"open"> = null;
  onmessage: Handler<"message"> = null;
  onclose: Handler<"close"> = null;
  onerror: Handler<"error"> = null;
  onheartbeat: Handler<"heartbeat"> = null;
  onreconnecting: Handler<"reconnecting"> = null;

  private readonly options: SockJSOptions;
  private readonly service: ServiceUrl;
  private connection: Connection | undefined;
  /** Attempts to connect again since a connection was stable. */
  private attempt = 0;
  private openedAt = Infinity;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `_reserved` is where `WebSocket` has its subprotocols, of which SockJS has none; a list is checked. */
  constructor(
    url: string | URL,
    _reserved?: string | readonly string[] | null,
    options?: SockJSOptions | null,
  ) {
    super();
    if (arguments.length < 1) {
      throw new TypeError("Failed to construct 'SockJS: 1 argument required, but only 0 present");
    }
    this.options = options ?? {};
    const { sessionId } = this.options;
    if (sessionId && typeof sessionId !== "number" && typeof sessionId !== "function") {
      throw new TypeError("If sessionId is used in the options, it needs to be a number or a function.");
    }
    checkProtocols(_reserved);
    const page = currentPage();
    this.service = ServiceUrl.parse(String(url), page);
    this.url = String(this.service);
    for (const type of EVENTS) {
      this.addEventListener(type, (event) => {
        const handler = this[`on${type}`] as ((event: Event) => unknown) | null;
        handler?.call(this, event);
      });
    }
    this.timer = setTimeout(() => this.connect());
    if (typeof addEventListener === "function") addEventListener("pagehide", this.leave);
  }

  override addEventListener<K extends keyof SockJSEventMap>(
    type: K,
    listener: (event: SockJSEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: unknown,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener as EventListener, options);
  }

  override removeEventListener<K extends keyof SockJSEventMap>(
    type: K,
    listener: (event: SockJSEventMap[K]) => unknown,
    options?: boolean | EventListenerOptions,
  ): void;
  override removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
  override removeEventListener(
    type: string,
    listener: unknown,
    options?: boolean | EventListenerOptions,
  ): void {
    super.removeEventListener(type, listener as EventListener, options);
  }

  /** Sends a message. What is no text becomes one, but with `websocket-raw`. */
  send(data: Sendable | number | boolean | object | null | undefined): void {
    if (this.readyState === SockJS.CONNECTING) {
      throw failure("InvalidStateError", "The connection has not been established yet");
    }
    if (this.readyState !== SockJS.OPEN) return;
    const isBinary = this.transport === "websocket-raw" && typeof data === "object" && data !== null;
    this.connection?.send(isBinary ? (data as Sendable) : String(data));
  }

  /** Closes the socket. The server is told code and reason by `websocket-raw` only. */
  close(code?: number, reason?: string): void {
    if (code && !isApplicationCode(code)) {
      throw failure("InvalidAccessError", "Invalid code");
    }
    if (reason && new TextEncoder().encode(reason).length > 123) {
      throw new SyntaxError("reason argument has an invalid length");
    }
    this.finish({ code: code || 1000, reason: reason || "Normal closure", wasClean: true });
  }

  private connect(): void {
    this.connection = new Connection(this.service, this.options, () => this.binaryType, {
      open: (transport) => {
        this.transport = transport;
        this.readyState = SockJS.OPEN;
        this.openedAt = performance.now();
        this.dispatchEvent(new Event("open"));
      },
      message: (data) => this.dispatchEvent(new MessageEvent("message", { data })),
      heartbeat: () => this.dispatchEvent(new Event("heartbeat")),
      end: (end) => this.handleEnd(end),
    });
  }

  private handleEnd(end: End): void {
    const { reconnect } = this.options;
    const { delay, maxDelay, attempts, stableAfter, when } = { ...RECONNECT, ...(reconnect as object) };
    if (performance.now() - this.openedAt >= stableAfter) this.attempt = 0;
    this.openedAt = Infinity;
    if (!reconnect || this.attempt >= attempts || !when(end)) return this.finish(end);
    this.attempt += 1;
    const longest = Math.min(delay * 2 ** (this.attempt - 1), maxDelay);
    const wait = Math.round(longest * (0.5 + Math.random() / 2));
    this.transport = null;
    this.readyState = SockJS.CONNECTING;
    this.timer = setTimeout(() => this.connect(), wait);
    const event = new Event("reconnecting");
    this.dispatchEvent(Object.assign(event, end, { attempt: this.attempt, delay: wait }));
  }

  /** Ends the socket: what there is to tell is told later. */
  private finish(end: End): void {
    if (this.readyState >= SockJS.CLOSING) return;
    const wasAsking = this.connection?.isPending !== false;
    this.stop(end);
    this.transport = null;
    this.readyState = SockJS.CLOSING;
    setTimeout(() => {
      this.readyState = SockJS.CLOSED;
      if (wasAsking) this.dispatchEvent(new Event("error"));
      this.dispatchEvent(closeEvent(end));
    });
  }

  private stop(end: End): void {
    clearTimeout(this.timer);
    this.connection?.close(end.code, end.reason);
    if (typeof removeEventListener === "function") removeEventListener("pagehide", this.leave);
  }

  /** A page that may come back from the browser's cache keeps its sockets. */
  private readonly leave = (event: PageTransitionEvent): void => {
    if (!event.persisted) this.close();
  };
}


/** `CloseEvent` is new in Node. */
function closeEvent(end: End): Event {
  return typeof CloseEvent === "undefined"
    ? Object.assign(new Event("close"), end)
    : new CloseEvent("close", { ...end });
}

/** Of a page or a worker. */
function currentPage(): Location | undefined {
  return typeof location === "undefined" ? undefined : location;
}

function checkProtocols(protocols: unknown): void {
  if (!Array.isArray(protocols)) return;
  const sorted = [...protocols].sort();
  sorted.forEach((protocol, index) => {
    if (!protocol) {
      throw new SyntaxError(`The protocols entry '${protocol}' is invalid.`);
    }
    if (protocol === sorted[index + 1]) {
      throw new SyntaxError(`The protocols entry '${protocol}' is duplicated.`);
    }
  });
}
