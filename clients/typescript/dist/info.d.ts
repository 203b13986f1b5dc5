/** What `/info` tells of a service, as far as a client is concerned, and how far away it is. */
export interface Info {
    readonly websocket: boolean;
    readonly baseUrl: string | undefined;
    /** Milliseconds. */
    readonly roundTrip: number;
}
/** Asks; rejects unless the answer has status 200. */
export declare function fetchInfo(url: string, init: RequestInit, signal: AbortSignal): Promise<Info>;
/** Milliseconds that a transport has to open: it takes two round trips. */
export declare function openTimeout(roundTrip: number, floor: number): number;
