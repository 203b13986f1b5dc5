import type { End } from "./end.js";
import type { SockJSOptions } from "./options.js";
import type { TransportName } from "./transports/index.js";
import type { Sendable } from "./transports/transport.js";
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
    reconnecting: Event & End & {
        readonly attempt: number;
        readonly delay: number;
    };
}
type Handler<K extends keyof SockJSEventMap> = ((this: SockJS, event: SockJSEventMap[K]) => unknown) | null;
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
    readyState: 0 | 1 | 2 | 3;
    /** The name of the transport, once the socket is open. */
    transport: TransportName | null;
    /** What binary messages of `websocket-raw` arrive as. */
    binaryType: BinaryType;
    onopen: Handler<"open">;
    onmessage: Handler<"message">;
    onclose: Handler<"close">;
    onerror: Handler<"error">;
    onheartbeat: Handler<"heartbeat">;
    onreconnecting: Handler<"reconnecting">;
    private readonly options;
    private readonly service;
    private connection;
    /** Attempts to connect again since a connection was stable. */
    private attempt;
    private openedAt;
    private timer;
    /** `_reserved` is where `WebSocket` has its subprotocols, of which SockJS has none; a list is checked. */
    constructor(url: string | URL, _reserved?: string | readonly string[] | null, options?: SockJSOptions | null);
    addEventListener<K extends keyof SockJSEventMap>(type: K, listener: (event: SockJSEventMap[K]) => unknown, options?: boolean | AddEventListenerOptions): void;
    addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
    removeEventListener<K extends keyof SockJSEventMap>(type: K, listener: (event: SockJSEventMap[K]) => unknown, options?: boolean | EventListenerOptions): void;
    removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void;
    /** Sends a message. What is no text becomes one, but with `websocket-raw`. */
    send(data: Sendable | number | boolean | object | null | undefined): void;
    /** Closes the socket. The server is told code and reason by `websocket-raw` only. */
    close(code?: number, reason?: string): void;
    private connect;
    private handleEnd;
    /** Ends the socket: what there is to tell is told later. */
    private finish;
    private stop;
    /** A page that may come back from the browser's cache keeps its sockets. */
    private readonly leave;
}
