import { isApplicationCode } from "./end.js";
import type { End } from "./end.js";
import { parseFrame } from "./frames.js";
import { UNKNOWN, fetchInfo, openTimeout } from "./info.js";
import type { Info } from "./info.js";
import type { HeaderFields, SockJSOptions, TransportOptions } from "./options.js";
import { isOffered, usableTransports } from "./transports/index.js";
import type { TransportName, TransportRow } from "./transports/index.js";
import type { Sendable, Transport } from "./transports/transport.js";
import { sessionPath } from "./url.js";
import type { ServiceUrl } from "./url.js";
import { Watchdog } from "./watchdog.js";

/** Whom a connection tells. */
export interface ConnectionListener {
  open(transport: TransportName): void;
  message(data: unknown): void;
  heartbeat(): void;
  /** Comes once, and last. */
  end(end: End): void;
}

/** How long the answer to `/info` may take, in milliseconds. */
const INFO_TIMEOUT = 8000;

/** No transport is given less time, in milliseconds, or none would open on slow links. */
const CONNECT_TIMEOUT_MIN = 5000;

/** Milliseconds of silence, twice what servers have between two heartbeats. */
const HEARTBEAT_TIMEOUT = 50_000;

/** One session: `/info`, one transport after the other until one opens, and its frames. */
export class Connection {
  private readonly infoAbort = new AbortController();
  private readonly transportOptions: TransportOptions;
  private readonly watchdog: Watchdog;
  private transport: Transport | undefined;
  private left: TransportRow[];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isOpen = false;
  private isOver = false;
  private needsCookies = false;
  /** Whether it has not been told yet what the server can do. */
  isPending = true;

  constructor(
    private service: ServiceUrl,
    private readonly options: SockJSOptions,
    binaryType: () => BinaryType,
    private readonly listener: ConnectionListener,
  ) {
    const { headers, withCredentials, heartbeatTimeout = HEARTBEAT_TIMEOUT } = options;
    this.transportOptions = {
      headers,
      credentials: withCredentials === false ? "same-origin" : "include",
      eventSourceCredentials: () => withCredentials ?? this.needsCookies,
      binaryType,
    };
    this.watchdog = new Watchdog(heartbeatTimeout, () => this.end(1006, "No heartbeat"));
    this.left = usableTransports(options.transports, hasFields(headers));
    if (this.left.length > 0 && this.left.every(({ name }) => name === "websocket-raw")) {
      // It has no framing and no sessions, so that there is nothing to ask.
      queueMicrotask(() => this.start(UNKNOWN));
    } else {
      this.ask();
    }
  }

  send(message: Sendable): void {
    this.transport?.send(message);
  }

  /** Ends it on behalf of the page, and tells nobody. */
  close(code: number, reason: string): void {
    this.stop();
    this.transport?.close(code, reason);
  }

  private stop(): void {
    this.isOver = true;
    this.infoAbort.abort();
    clearTimeout(this.timer);
    this.watchdog.stop();
  }

  private end(code: number, reason: string, wasClean = false): void {
    if (this.isOver) return;
    this.stop();
    this.isPending = false;
    this.abort();
    this.listener.end({ code, reason, wasClean });
  }

  /** Nobody is told of the transport any more, nor it of anything. */
  private abort(): void {
    this.transport?.abort();
    this.transport = undefined;
  }

  private ask(): void {
    const unreachable = (): void => this.end(1002, "Cannot connect to server");
    const { connectTimeout = 0 } = this.options;
    this.timer = setTimeout(unreachable, Math.max(INFO_TIMEOUT, connectTimeout));
    fetchInfo(this.service.beneath("/info"), this.transportOptions, this.infoAbort.signal)
      .then((info) => this.start(info))
      .catch(unreachable);
  }

  private start(info: Info): void {
    if (this.isOver) return;
    if (info.baseUrl !== undefined) this.service = this.service.join(info.baseUrl);
    this.isPending = false;
    this.needsCookies = info.cookieNeeded;
    clearTimeout(this.timer);
    this.left = this.left.filter((row) => isOffered(row, info));
    const { connectTimeout = 0, timeout = 0 } = this.options;
    const floor = Math.max(CONNECT_TIMEOUT_MIN, connectTimeout, timeout);
    this.next(openTimeout(info.roundTrip, floor));
  }

  /** Tries the next transport, with a session of its own. */
  private next(timeout: number): void {
    const row = this.left.shift();
    if (!row) return this.end(2000, "All transports failed");
    let isCurrent = true;
    const isHeard = (): boolean => isCurrent && !this.isOver;
    const lost = (code: number, reason: string, wasClean?: boolean): void => {
      if (!isHeard()) return;
      isCurrent = false;
      clearTimeout(this.timer);
      this.abort();
      const isDecided = this.isOpen || code === 2000 || isApplicationCode(code);
      if (isDecided) this.end(code, reason, wasClean);
      else this.next(timeout);
    };
    this.timer = setTimeout(() => lost(2007, "Transport timed out"), timeout);
    try {
      const { server, sessionId } = this.options;
      const session = row.name === "websocket-raw" ? "" : sessionPath(server, sessionId);
      this.transport = row.open(
        (what) => this.service.beneath(session + what),
        {
          frame: (frame) => isHeard() && this.handle(frame, row.name),
          alive: () => isHeard() && this.watchdog.hear(),
          message: (data) => isHeard() && this.listener.message(data),
          open: () => isHeard() && this.opened(row.name),
          lost,
        },
        this.transportOptions,
      );
    } catch {
      // A browser may refuse a WebSocket, and say so at once.
      lost(1006, "Transport refused");
    }
  }

  private opened(transport: TransportName): void {
    clearTimeout(this.timer);
    this.isOpen = true;
    this.listener.open(transport);
  }

  private handle(text: string, transport: TransportName): void {
    const frame = parseFrame(text);
    this.watchdog.hear();
    switch (frame?.type) {
      case "open":
        // A server that was started anew has made another session of the same name.
        if (this.isOpen) this.end(1006, "Server lost session");
        else this.opened(transport);
        break;
      case "heartbeat":
        this.watchdog.arm();
        this.listener.heartbeat();
        break;
      case "messages":
        // A handler may close in between.
        for (const data of frame.messages) if (this.isOpen && !this.isOver) this.listener.message(data);
        break;
      case "close":
        this.end(frame.code, frame.reason, true);
        break;
    }
  }
}

/** A function is asked later, and taken to have some. */
function hasFields(headers: HeaderFields | undefined): boolean {
  return typeof headers === "function" || !new Headers(headers).keys().next().done;
}
