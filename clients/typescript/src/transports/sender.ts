import type { TransportOptions } from "../options.js";
import { request } from "./requests.js";

/** Characters of messages in one request, unless it is one message: proxies limit bodies, often to 1 MB. */
const BODY_LENGTH_MAX = 200_000;

/** Messages in one request: servers limit these too. */
const BODY_MESSAGES_MAX = 1000;

/** Characters that are sent even when the page is left. Browsers take 64 KiB; a character has up to three octets. */
const KEEPALIVE_LENGTH_MAX = 20_000;

/** How long what is left may take to be sent after the end, in milliseconds. */
const LAST_TIMEOUT = 5000;

/** Sends by requests, of which one is under way: what comes meanwhile goes with the next. */
export class Sender {
  private readonly waiting: string[] = [];
  private isBusy = false;
  private finished: (() => void) | undefined;

  constructor(
    private readonly url: string,
    private readonly options: TransportOptions,
    private readonly signal: AbortSignal,
    private readonly failed: (reason: string) => void,
  ) {}

  push(message: unknown): void {
    this.waiting.push(JSON.stringify(message));
    if (!this.isBusy) void this.flush();
  }

  /** Calls when all is sent, or too late. */
  finish(finished: () => void): void {
    if (!this.isBusy) return finished();
    const timer = setTimeout(finished, LAST_TIMEOUT);
    this.finished = () => {
      clearTimeout(timer);
      finished();
    };
  }

  private async flush(): Promise<void> {
    this.isBusy = true;
    try {
      while (this.waiting.length > 0 && !this.signal.aborted) await this.post(`[${this.takeBatch()}]`);
    } catch (error) {
      if (!this.signal.aborted) this.failed(`Sending error: ${error}`);
    }
    this.isBusy = false;
    this.finished?.();
  }

  /** As many messages as go into one request, and at least one. */
  private takeBatch(): string[] {
    let length = 0;
    const end = this.waiting.findIndex(
      (message, index) =>
        ((length += message.length) > BODY_LENGTH_MAX && index > 0) || index === BODY_MESSAGES_MAX,
    );
    return this.waiting.splice(0, end < 0 ? Infinity : end);
  }

  private async post(body: string): Promise<void> {
    const keepalive = !!this.finished && body.length < KEEPALIVE_LENGTH_MAX;
    const { signal } = this;
    const response = await request(this.url, this.options, { method: "POST", body, signal, keepalive });
    if (response.status !== 200 && response.status !== 204) {
      throw new Error(`http status ${response.status}`);
    }
    // So that the connection can be used again.
    await response.text();
  }
}
