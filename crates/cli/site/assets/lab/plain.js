// What programs did before there were WebSockets, without a library: each of these has its messages from
// one resource, and sends by requests of its own.

import { ask } from './ledger.js';

/** How long a long poll waits. The first does not wait, but is as long in octets. */
export const WAIT_MS = 25_000;
const NOT_AT_ALL = '00000';

/** The lines of an answer that are messages. */
const messages = (text) => text.split('\n').filter((line) => line !== '');

class Plain {
  constructor(url, settings, heard) {
    this.url = url;
    this.settings = settings;
    this.heard = heard;
    this.stop = new AbortController();
  }

  start() {
    this.receive().catch((error) => {
      if (!this.stop.signal.aborted) this.heard.failed({ status: error.status, text: error.message });
    });
  }

  async send(text) {
    await ask(`${this.url}/messages`, { method: 'POST', body: text, signal: this.stop.signal });
  }

  async get(resource) {
    const response = await ask(`${this.url}/${resource}`, { signal: this.stop.signal });
    for (const message of messages(await response.text())) this.heard.message(message);
  }

  close() {
    this.stop.abort();
  }
}

/** Asks again and again, whether or not there is something. */
export class Polling extends Plain {
  /** How long the requests themselves took. */
  rounds = [];

  async receive() {
    for (let first = true; !this.stop.signal.aborted; first = false) {
      const begun = performance.now();
      await this.get('poll');
      if (first) this.heard.opened();
      this.rounds.push(performance.now() - begun);
      await this.#pause(begun);
    }
  }

  /** Until the interval is over, which may change meanwhile. */
  async #pause(begun) {
    const left = () => this.settings.interval - (performance.now() - begun);
    while (left() > 0 && !this.stop.signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(left(), 100)));
    }
  }
}

/** Asks, and is answered when there is something. */
export class LongPolling extends Plain {
  async receive() {
    await this.get(`wait?timeout=${NOT_AT_ALL}`);
    this.heard.opened();
    while (!this.stop.signal.aborted) await this.get(`wait?timeout=${WAIT_MS}`);
  }
}

/** Asks once, and is answered for as long as it lasts. */
export class Streaming extends Plain {
  async receive() {
    for (let first = true; !this.stop.signal.aborted; first = false) {
      const response = await ask(`${this.url}/stream`, { signal: this.stop.signal });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        if (first) this.heard.opened();
        first = false;
        const lines = (rest + piece.value).split('\n');
        rest = lines.pop();
        for (const line of lines) if (line !== '') this.heard.message(line);
      }
    }
  }
}

/** As streaming, by the means that browsers have for it. */
export class ServerSentEvents extends Plain {
  start() {
    this.source = new EventSource(`${this.url}/events`);
    this.source.addEventListener('opened', () => this.heard.opened());
    this.source.addEventListener('message', ({ data }) => this.heard.message(data));
    this.source.addEventListener('error', () => {
      // Otherwise the browser tries again by itself.
      if (this.source.readyState === EventSource.CLOSED) {
        this.heard.failed({ text: 'EventSource gave up' });
      }
    });
  }

  close() {
    super.close();
    this.source.close();
  }
}
