import type { SockJSOptions } from "./options.js";
import type { TransportName } from "./transports/index.js";
import type { Sendable } from "./transports/transport.js";
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
/** One session: `/info`, one transport after the other until one opens, and its frames. */
export declare class Connection {
    private service;
    private readonly options;
    private readonly listener;
    private readonly infoAbort;
    private readonly transportOptions;
    private readonly watchdog;
    private transport;
    private left;
    private timer;
    private isOpen;
    private isOver;
    private needsCookies;
    /** Whether it has not been told yet what the server can do. */
    isPending: boolean;
    constructor(service: ServiceUrl, options: SockJSOptions, binaryType: () => BinaryType, listener: ConnectionListener);
    send(message: Sendable): void;
    /** Ends it on behalf of the page, and tells nobody. */
    close(code: number, reason: string): void;
    private stop;
    private end;
    private ask;
    private start;
    /** Tries the next transport, with a session of its own. */
    private next;
    private opened;
    private handle;
}
