import type { Listener, OpenTransport, Transport } from "./transport.js";

function connect(url: string, listener: Listener): WebSocket {
  const socket = new WebSocket(url.replace(/^http/, "ws"));
  socket.onclose = ({ code, reason }) => listener.lost(code, reason);
  return socket;
}

function close(socket: WebSocket): void {
  socket.onclose = socket.onmessage = socket.onopen = null;
  socket.close();
}

/** `websocket`: a message of the WebSocket is a frame. */
export const openWebSocket: OpenTransport = (at, listener): Transport => {
  const socket = connect(at("/websocket"), listener);
  socket.onmessage = ({ data }) => listener.frame(String(data));
  return {
    send: (message) => socket.send(JSON.stringify([message])),
    close: () => close(socket),
  };
};

/** `websocket-raw`: without framing, and so with binary messages. */
export const openRawWebSocket: OpenTransport = (at, listener, { binaryType }): Transport => {
  const socket = connect(at("/websocket"), listener);
  socket.onopen = () => listener.open();
  socket.onmessage = ({ data }) => listener.message(data);
  socket.binaryType = binaryType();
  return {
    send: (message) => socket.send(message),
    close: () => close(socket),
  };
};
