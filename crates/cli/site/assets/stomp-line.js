const DELAY_FIRST_MS = 1_000;
const DELAY_MAX_MS = 30_000;
const CONNECTION_TIMEOUT_MS = 15_000;

/** RFC 6455, 7.4.1: no close frame came. SockJS adds reasons of its own that help nobody. */
const ABNORMAL_CLOSURE = 1006;
/** What SockJS closes with after it has tried every transport it may use. */
const ALL_TRANSPORTS_FAILED = 2000;

const { Client } = globalThis.StompJs;

/**
 * A STOMP connection of the user `login` over SockJS that is made again when it is lost, after 1, 2, 4 … 30 seconds.
 *
 * `events` hears `connecting()`, `connected(client, transport)`, `lost({ reason, retryAt })` and
 * `refused(message)`, the last for an ERROR frame of the server.
 */
export class StompLine {
  #url;
  #login;
  #transports;
  #events;
  #client = null;
  #timer = 0;
  #delay = DELAY_FIRST_MS;

  constructor({ url, login, transports, events }) {
    this.#url = url;
    this.#login = login;
    this.#transports = transports;
    this.#events = events;
  }

  /** Connects, now: also the answer to an impatient user while the next attempt is awaited. */
  open() {
    clearTimeout(this.#timer);
    if (this.#client) return;
    // The library reconnects by itself, but tells nobody when; a page should.
    const client = new Client({
      connectHeaders: { login: this.#login },
      reconnectDelay: 0,
      connectionTimeout: CONNECTION_TIMEOUT_MS,
    });
    let socket = null;
    let opened = false;
    client.webSocketFactory = () => {
      socket = new globalThis.SockJS(this.#url, null, { transports: this.#transports });
      return socket;
    };
    client.onConnect = () => {
      opened = true;
      this.#delay = DELAY_FIRST_MS;
      this.#events.connected(client, socket.transport);
    };
    client.onStompError = (frame) => {
      if (this.#client !== client) return;
      this.#events.refused(frame.headers.message ?? 'an error without a message');
    };
    client.onWebSocketClose = (event) => {
      if (this.#client !== client) return;
      this.#client = null;
      client.deactivate();
      this.#retryLater(opened ? reasonLost(event) : reasonNotOpened(event));
    };
    this.#client = client;
    this.#events.connecting();
    client.activate();
  }

  /** Ends the connection, and the attempts to make one. Resolves when nothing is left to be sent. */
  async close() {
    clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = null;
    await client?.deactivate();
  }

  #retryLater(reason) {
    const delay = this.#delay;
    this.#delay = Math.min(delay * 2, DELAY_MAX_MS);
    this.#timer = setTimeout(() => this.open(), delay);
    this.#events.lost({ reason, retryAt: Date.now() + delay });
  }
}

function reasonNotOpened(event) {
  return event?.code === ALL_TRANSPORTS_FAILED
    ? 'the server does not answer over the chosen transport'
    : 'the server does not answer';
}

function reasonLost(event) {
  if (!event?.code || event.code === ABNORMAL_CLOSURE) return 'the connection broke off';
  return event.reason ? `${event.reason} (${event.code})` : `closed with code ${event.code}`;
}
