import type { Listener, OpenTransport, Transport } from "./transport.js";

function connect(url: string): WebSocket {
  return new WebSocket(url.replace(/^http/, "ws"));
}

function broken(listener: Listener, code: number, reason: string, wasClean?: boolean): void {
  listener.lost(code, reason || (code === 1006 ? "WebSocket connection broken" : ""), wasClean);
}

/** After that it tells nothing more. */
function close(socket: WebSocket, code?: number, reason?: string): void {
  socket.onclose = socket.onmessage = socket.onopen = null;
  socket.close(code, reason);
}

/** `websocket`: a message of the WebSocket is a frame. */
export const openWebSocket: OpenTransport = (at, listener): Transport => {
  const socket = connect(at("/websocket"));
  socket.onmessage = ({ data }) => listener.frame(String(data));
  socket.onclose = ({ code, reason }) => broken(listener, code, reason);
  return {
    send: (message) => socket.send(JSON.stringify([message])),
    close: () => close(socket),
    abort: () => close(socket),
  };
};

/** `websocket-raw`: without framing, and so with binary messages, and with codes of the page's own. */
export const openRawWebSocket: OpenTransport = (at, listener, { binaryType }): Transport => {
  const socket = connect(at("/websocket"));
  socket.onopen = () => listener.open();
  socket.onmessage = ({ data }) => listener.message(data);
  socket.onclose = ({ code, reason, wasClean }) => broken(listener, code, reason, wasClean);
  socket.binaryType = binaryType();
  return {
    send: (message) => socket.send(message),
    close: (code, reason) => close(socket, code, reason),
    abort: () => close(socket),
  };
};
