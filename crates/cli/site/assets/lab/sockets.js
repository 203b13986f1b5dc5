// WebSocket itself, and SockJS over whichever transport.

import { Frames } from './frames.js';

/** How long SockJS may take with one transport. */
export const SOCKJS_TIMEOUT_MS = 5000;

export class PlainWebSocket {
  frames = new Frames();

  constructor(url, settings, heard) {
    this.url = `${url.replace(/^http/, 'ws')}/websocket`;
    this.heard = heard;
  }

  start() {
    if (!window.WebSocket) {
      this.heard.failed({ missing: 'WebSocket', text: 'there is no WebSocket here' });
      return;
    }
    this.socket = new WebSocket(this.url);
    this.socket.addEventListener('open', () => this.heard.opened());
    this.socket.addEventListener('message', ({ data }) => {
      this.frames.received(data);
      this.heard.message(data);
    });
    this.socket.addEventListener('close', ({ code, reason }) => {
      this.heard.failed({ text: `closed with ${code}${reason ? ` ${reason}` : ''}` });
    });
  }

  send(text) {
    this.frames.sent(text);
    this.socket.send(text);
  }

  /** What the browser agreed on that would make the computed octets wrong. */
  get extensions() {
    return this.socket?.extensions ?? '';
  }

  close() {
    this.socket?.close();
  }
}

export class SockJsTransport {
  constructor(transport, url, settings, heard) {
    this.transport = transport;
    this.url = `${url}/sockjs`;
    this.heard = heard;
    // Over HTTP the server counts.
    if (transport === 'websocket') this.frames = new Frames();
  }

  start() {
    if (this.transport === 'websocket' && !window.WebSocket) {
      this.heard.failed({ missing: 'WebSocket', text: 'there is no WebSocket here' });
      return;
    }
    const options = { transports: [this.transport], timeout: SOCKJS_TIMEOUT_MS };
    this.socket = new window.SockJS(this.url, null, options);
    this.socket.onopen = () => {
      this.frames?.received('o');
      this.heard.opened();
    };
    this.socket.onheartbeat = () => this.frames?.received('h');
    this.socket.onmessage = ({ data }) => {
      this.frames?.received(`a${JSON.stringify([data])}`);
      this.heard.message(data);
    };
    this.socket.onclose = ({ code, reason }) => this.heard.failed({ text: `closed with ${code} ${reason}` });
  }

  send(text) {
    this.frames?.sent(JSON.stringify([text]));
    this.socket.send(text);
  }

  close() {
    if (!this.socket) return;
    this.socket.onclose = null;
    this.socket.close();
  }
}
