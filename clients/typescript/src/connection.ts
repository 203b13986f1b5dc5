import { parseFrame } from "./frames.js";
import { UNKNOWN, fetchInfo, openTimeout } from "./info.js";
import type { Info } from "./info.js";
import type { SockJSOptions, TransportOptions } from "./options.js";
import { isOffered, usableTransports } from "./transports/index.js";
import type { TransportName, TransportRow } from "./transports/index.js";
import type { Sendable, Transport } from "./transports/transport.js";
import { sessionPath } from "./url.js";
import type { ServiceUrl } from "./url.js";

/** How a connection ended. */
export interface End {
  readonly code: number;
  readonly reason: string;
  /** Whether the server said so. */
  readonly wasClean: boolean;
}

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

/** One session: `/info`, one transport after the other until one opens, and its frames. */
export class Connection {
  private readonly abort = new AbortController();
  private transport: Transport | undefined;
  private left: TransportRow[];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private watchdog: ReturnType<typeof setTimeout> | undefined;
  private isOpen = false;
  private isOver = false;
  /** Whether it has not been told yet what the server can do. */
  isPending = true;

  constructor(
    private service: ServiceUrl,
    private readonly options: SockJSOptions,
    private readonly transportOptions: TransportOptions,
    infoCredentials: RequestCredentials,
    private readonly listener: ConnectionListener,
  ) {
    const { headers } = transportOptions;
    this.left = usableTransports(options.transports, Object.keys(headers).length > 0);
    if (this.left.length > 0 && this.left.every(({ name }) => name === "websocket-raw")) {
      // It has no framing and no sessions, so that there is nothing to ask.
      queueMicrotask(() => this.start(UNKNOWN));
      return;
    }
    const unreachable = (): void =>
      this.end({ code: 1002, reason: "Cannot connect to server", wasClean: false });
    const { connectTimeout = 0 } = options;
    this.timer = setTimeout(unreachable, Math.max(INFO_TIMEOUT, connectTimeout));
    const init = { headers: { ...headers }, credentials: infoCredentials, signal: this.abort.signal };
    fetchInfo(service.beneath("/info"), init)
      .then((info) => this.start(info))
      .catch(unreachable);
  }

  send(message: Sendable): void {
    this.transport?.send(message);
  }

  /** Lets go of everything, and tells nobody. */
  close(): void {
    this.isOver = true;
    this.abort.abort();
    this.transport?.close();
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
  }

  private end(end: End): void {
    if (this.isOver) return;
    this.close();
    this.listener.end(end);
  }

  private start(info: Info): void {
    if (this.isOver) return;
    if (info.baseUrl !== undefined) this.service = this.service.join(info.baseUrl);
    this.isPending = false;
    clearTimeout(this.timer);
    this.left = this.left.filter((row) => isOffered(row, info));
    const { connectTimeout = 0, timeout = 0 } = this.options;
    const floor = Math.max(CONNECT_TIMEOUT_MIN, connectTimeout, timeout);
    this.next(openTimeout(info.roundTrip, floor));
  }

  /** Tries the next transport, with a session of its own. */
  private next(timeout: number): void {
    const row = this.left.shift();
    if (!row) return this.end({ code: 2000, reason: "All transports failed", wasClean: false });
    const isRaw = row.name === "websocket-raw";
    let isCurrent = true;
    const lost = (code: number, reason: string): void => {
      if (!isCurrent || this.isOver) return;
      isCurrent = false;
      clearTimeout(this.timer);
      this.transport?.close();
      const isDecided = this.isOpen || code === 1000 || code === 2000 || (code >= 3000 && code <= 4999);
      if (isDecided) this.end({ code, reason, wasClean: isRaw && code !== 1006 });
      else this.next(timeout);
    };
    this.timer = setTimeout(() => lost(2007, "Transport timed out"), timeout);
    try {
      const session = isRaw ? "" : sessionPath(this.options.server, this.options.sessionId);
      this.transport = row.open(
        (what) => this.service.beneath(session + what),
        {
          frame: (frame) => isCurrent && !this.isOver && this.handle(frame, row.name),
          message: (data) => isCurrent && !this.isOver && this.listener.message(data),
          open: () => isCurrent && this.opened(row.name),
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
    this.watch(frame?.type === "heartbeat");
    switch (frame?.type) {
      case "open":
        if (this.isOpen) this.end({ code: 1006, reason: "Server lost session", wasClean: false });
        else this.opened(transport);
        break;
      case "heartbeat":
        this.listener.heartbeat();
        break;
      case "messages":
        // A handler may close in between.
        for (const data of frame.messages) if (this.isOpen && !this.isOver) this.listener.message(data);
        break;
      case "close":
        this.end({ code: frame.code, reason: frame.reason, wasClean: true });
        break;
    }
  }

  /** Servers that ping instead of beating are never waited for. */
  private watch(isHeartbeat: boolean): void {
    const longest = this.options.heartbeatTimeout ?? 50_000;
    if (longest === 0 || (this.watchdog === undefined && !isHeartbeat)) return;
    clearTimeout(this.watchdog);
    const silent = { code: 1006, reason: "No heartbeat", wasClean: false };
    this.watchdog = setTimeout(() => this.end(silent), longest);
  }
}
