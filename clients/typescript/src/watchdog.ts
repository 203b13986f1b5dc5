/** How many times a silence is looked at before it is too long. */
const LOOKS = 5;

/**
 * Notices that a server is silent for too long, once it has sent a heartbeat: some have none, and ping.
 *
 * It counts how often it looked in vain and asks no clock: a page that was frozen, or a computer that slept, has
 * not listened meanwhile, and looks as often as any other when it is awake again.
 */
export class Watchdog {
  private looks = 0;
  private timer: ReturnType<typeof setInterval> | undefined;

  /** Never barks if the time, in milliseconds, is 0. */
  constructor(
    private readonly timeout: number,
    private readonly bark: () => void,
  ) {}

  /** Takes in a heartbeat. */
  arm(): void {
    if (!this.timeout) return;
    this.timer ??= setInterval(() => {
      if (++this.looks === LOOKS) this.bark();
    }, this.timeout / LOOKS);
  }

  /** Takes in any sign of the server. */
  hear(): void {
    this.looks = 0;
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
