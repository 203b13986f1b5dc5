/**
 * Notices that a server is silent for too long, once it has sent a heartbeat: some have none, and ping.
 *
 * It counts how often it looked in vain and asks no clock: a page that was frozen, or a computer that slept, has
 * not listened meanwhile, and looks as often as any other when it is awake again.
 */
export declare class Watchdog {
    private readonly timeout;
    private readonly bark;
    private looks;
    private timer;
    /** Never barks if the time, in milliseconds, is 0. */
    constructor(timeout: number, bark: () => void);
    /** Takes in a heartbeat. */
    arm(): void;
    /** Takes in any sign of the server. */
    hear(): void;
    stop(): void;
}
