import type { TransportOptions } from "../options.js";
/** Sends by requests, of which one is under way: what comes meanwhile goes with the next. */
export declare class Sender {
    private readonly url;
    private readonly options;
    private readonly signal;
    private readonly failed;
    private waiting;
    private isBusy;
    constructor(url: string, options: TransportOptions, signal: AbortSignal, failed: (reason: string) => void);
    push(message: unknown): void;
    private flush;
    private post;
}
