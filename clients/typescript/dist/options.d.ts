import type { End } from "./end.js";
import type { TransportName } from "./transports/index.js";
/** What `new SockJS` takes as its third argument. What is not here, such as `transportOptions`, is ignored. */
export interface SockJSOptions {
    /**
     * The only transports that are tried, in the order of the client. Default: all that the browser has and
     * that carry what is asked for, without `websocket-raw`.
     */
    transports?: string | readonly string[];
    /** The id of the server, by which load balancers may choose one. Default: three random digits. */
    server?: string;
    /** How long the id of a session is, or what makes one. Default: 8 characters. */
    sessionId?: number | (() => string);
    /** Milliseconds that each transport has at least until it is open: `connectTimeout`, by its older name. */
    timeout?: number;
    /**
     * The same by another name. Default, and least: 5,000; with a server that is far away, eight times what
     * `/info` took.
     */
    connectTimeout?: number;
    /**
     * Header fields of every request. WebSocket and EventSource cannot carry any, so that they are not tried
     * unless `transports` names them.
     */
    headers?: HeaderFields;
    /**
     * Whether requests to other origins carry cookies. Default: all but those of EventSource, which carry them
     * if the server says that it needs any.
     */
    withCredentials?: boolean;
    /** Milliseconds that the server may be silent, or a fifth less, once it has sent a heartbeat; 0 for ever. Default: 50,000. */
    heartbeatTimeout?: number;
    /** Connects again when the connection is lost. Default: false. */
    reconnect?: boolean | ReconnectOptions;
}
/** Header fields, or what makes them: it is asked anew for each request, as a token may have run out. */
export type HeaderFields = HeadersInit | (() => HeadersInit | Promise<HeadersInit>);
/** How long to wait before each attempt to connect again: twice as long each time, with jitter. */
export interface ReconnectOptions {
    /** Milliseconds before the first. Default: 500. */
    delay?: number;
    /** The longest wait. Default: 30,000. */
    maxDelay?: number;
    /** Attempts in a row before the socket is closed. Default: without end. */
    attempts?: number;
    /** How long a connection has to last for the next wait to be the first again. Default: 10,000. */
    stableAfter?: number;
    /**
     * Whether to connect again after such an end. Default: unless the server gave a code of applications' own,
     * 1000 or 3000 to 4999.
     */
    when?: (end: End) => boolean;
}
/** What requests carry. */
export interface RequestOptions {
    readonly headers: HeaderFields | undefined;
    readonly credentials: RequestCredentials;
}
/** What transports need to know. */
export interface TransportOptions extends RequestOptions {
    readonly eventSourceCredentials: () => boolean;
    readonly binaryType: () => BinaryType;
}
export type { TransportName };
