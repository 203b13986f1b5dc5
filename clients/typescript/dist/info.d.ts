import type { RequestOptions } from "./options.js";
/** What `/info` tells of a service, as far as a client is concerned, and how far away it is. */
export interface Info {
    readonly websocket: boolean;
    readonly cookieNeeded: boolean;
    /** The names of the transports that are on; older servers do not tell. */
    readonly transports: readonly unknown[] | undefined;
    readonly baseUrl: string | undefined;
    /** Milliseconds. */
    readonly roundTrip: number;
}
/** Of a service that was not asked. */
export declare const UNKNOWN: Info;
/** Asks; rejects unless the answer has status 200. */
export declare function fetchInfo(url: string, options: RequestOptions, signal: AbortSignal): Promise<Info>;
/** Milliseconds that a transport has to open: it takes two round trips. */
export declare function openTimeout(roundTrip: number, floor: number): number;
