import type { TransportOptions } from "../options.js";
/** Sends by requests, of which one is under way: what comes meanwhile goes with the next. */
export declare class Sender {
    private readonly url;
    private readonly options;
    private readonly signal;
    private readonly failed;
    private readonly waiting;
    private isBusy;
    private finished;
    constructor(url: string, options: TransportOptions, signal: AbortSignal, failed: (reason: string) => void);
    push(message: unknown): void;
    /** Calls when all is sent, or too late. */
    finish(finished: () => void): void;
    private flush;
    /** As many messages as go into one request, and at least one. */
    private takeBatch;
    private post;
}
