import type { TransportOptions } from "../options.js";

/** Sends by requests, of which one is under way: what comes meanwhile goes with the next. */
export class Sender {
  private waiting: unknown[] = [];
  private isBusy = false;

  constructor(
    private readonly url: string,
    private readonly options: TransportOptions,
    private readonly signal: AbortSignal,
    private readonly failed: (reason: string) => void,
  ) {}

  push(message: unknown): void {
    this.waiting.push(message);
    if (!this.isBusy) void this.flush();
  }

  private async flush(): Promise<void> {
    this.isBusy = true;
    try {
      while (this.waiting.length > 0 && !this.signal.aborted) {
        const body = JSON.stringify(this.waiting);
        this.waiting = [];
        await this.post(body);
      }
    } catch (error) {
      if (!this.signal.aborted) this.failed(`Sending error: ${error}`);
    }
    this.isBusy = false;
  }

  private async post(body: string): Promise<void> {
    const { headers, credentials } = this.options;
    const response = await fetch(this.url, {
      method: "POST",
      // Asks for no preflight, unless the user's own fields do.
      headers: { ...headers, "Content-Type": "text/plain" },
      credentials,
      signal: this.signal,
      body,
    });
    if (response.status !== 200 && response.status !== 204) {
      throw new Error(`http status ${response.status}`);
    }
    // So that the connection can be used again.
    await response.text();
  }
}
