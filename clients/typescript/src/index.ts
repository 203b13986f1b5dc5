import { isApplicationCode } from "./codes.js";
import { Connection } from "./connection.js";
import type { End } from "./connection.js";
import type { SockJSOptions } from "./options.js";
import type { TransportName } from "./transports/index.js";
import type { Sendable } from "./transports/transport.js";
import { ServiceUrl } from "./url.js";

export type { HeaderFields, ReconnectOptions, SockJSOptions } from "./options.js";
export type { TransportName } from "./transports/index.js";
export type { Sendable } from "./transports/transport.js";

/** The events of a socket, by their names. */
export interface SockJSEventMap {
  open: Event;
  message: Event & { readonly data: any };
  /** Comes once, and last. */
  close: Event & End;
  /** Closed while it was still being asked what the server can do. */
  error: Event;
  heartbeat: Event;
  /** The connection is lost, and will be made again after `delay` milliseconds. */
  reconnecting: Event & End & { readonly attempt: number; readonly delay: number };
}

type Handler<K extends keyof SockJSEventMap> = ((event: SockJSEventMap[K]) => unknown) | null;

const EVENTS = ["open", "message", "close", "error", "heartbeat", "reconnecting"] as const;

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

  private readonly service: ServiceUrl;
  private connection: Connection | undefined;
  private attempt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `_reserved` is where `WebSocket` has its subprotocols, of which SockJS has none; a list is checked. */
  constructor(
    url: string | URL,
    _reserved?: string | readonly string[] | null,
    private readonly options: SockJSOptions = {},
  ) {
    super();
    if (arguments.length < 1) {
      throw new TypeError("Failed to construct 'SockJS: 1 argument required, but only 0 present");
    }
    checkProtocols(_reserved);
    const page = currentPage();
    this.service = ServiceUrl.parse(String(url), page);
    this.url = String(this.service);
    this.options ??= {};
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

  /** Sends a message. What is no text becomes one, but with `websocket-raw`. */
  send(data: Sendable | number | boolean | object | null | undefined): void {
    if (this.readyState === SockJS.CONNECTING) {
      throw new Error("InvalidStateError: The connection has not been established yet");
    }
    if (this.readyState !== SockJS.OPEN) return;
    const isBinary = this.transport === "websocket-raw" && typeof data === "object" && data !== null;
    this.connection?.send(isBinary ? (data as Sendable) : String(data));
  }

  /** Closes the socket. The server is told that it is closed, but neither code nor reason. */
  close(code?: number, reason?: string): void {
    if (code && !isApplicationCode(code)) {
      throw new Error("InvalidAccessError: Invalid code");
    }
    if (reason && reason.length > 123) {
      throw new SyntaxError("reason argument has an invalid length");
    }
    this.finish({ code: code || 1000, reason: reason || "Normal closure", wasClean: true });
  }

  private connect(): void {
    this.connection = new Connection(this.service, this.options, () => this.binaryType, {
      open: (transport) => {
        this.transport = transport;
        this.readyState = SockJS.OPEN;
        this.attempt = 0;
        this.tell("open");
      },
      message: (data) => this.tell("message", { data }),
      heartbeat: () => this.tell("heartbeat"),
      end: (end) => this.handleEnd(end),
    });
  }

  private handleEnd(end: End): void {
    const { reconnect } = this.options;
    const { delay = 500, maxDelay = 30_000, attempts = Infinity } = reconnect === true ? {} : reconnect || {};
    // Where the server has closed, or nothing works, it would not be better the next time.
    const isHopeless = end.wasClean || end.code === 2000;
    if (!reconnect || isHopeless || this.attempt >= attempts) return this.finish(end);
    this.attempt += 1;
    const longest = Math.min(delay * 2 ** (this.attempt - 1), maxDelay);
    const wait = Math.round(longest * (0.5 + Math.random() / 2));
    this.readyState = SockJS.CONNECTING;
    this.timer = setTimeout(() => this.connect(), wait);
    this.tell("reconnecting", { ...end, attempt: this.attempt, delay: wait });
  }

  /** Ends the socket: what there is to tell is told later. */
  private finish(end: End): void {
    if (this.readyState >= SockJS.CLOSING) return;
    const wasAsking = this.connection?.isPending !== false && end.wasClean;
    this.stop(end);
    this.readyState = SockJS.CLOSING;
    setTimeout(() => {
      this.readyState = SockJS.CLOSED;
      if (wasAsking) this.tell("error");
      this.tell("close", end);
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

  private tell(type: keyof SockJSEventMap, fields: object = {}): void {
    this.dispatchEvent(Object.assign(new Event(type), fields));
  }
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
