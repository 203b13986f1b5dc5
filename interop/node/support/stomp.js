// @stomp/stompjs, as its tests and its users drive it.

import { Client, Versions } from "@stomp/stompjs";
import WebSocket from "ws";
import { Inbox, within } from "./server.js";

/// The path of STOMP over WebSocket, and the prefix of SockJS.
export const STOMP_PATH = "/gs-guide-websocket";

/// A client whose connections and errors can be waited for. It is not active yet.
export function makeClient(server, options = {}) {
  const client = new Client({
    webSocketFactory: () =>
      new WebSocket(
        `ws://${server.http}${STOMP_PATH}`,
        (options.stompVersions ?? Versions.default).protocolVersions(),
      ),
    reconnectDelay: 0,
    ...options,
  });
  client.connections = new Inbox();
  client.onConnect = (frame) => client.connections.push(frame);
  client.errors = new Inbox();
  client.onStompError = (frame) => client.errors.push(frame);
  return client;
}

export async function connect(server, options) {
  const client = makeClient(server, options);
  client.activate();
  client.connectedFrame = await client.connections.next("CONNECTED");
  return client;
}

/// What `ask` sends with a receipt, once the receipt is there.
export async function confirmed(client, ask) {
  const receipt = `receipt-${Math.random()}`;
  const done = new Promise((resolve) => client.watchForReceipt(receipt, resolve));
  const result = ask(receipt);
  await within(done, `receipt ${receipt}`);
  return result;
}

/// Subscribes, and waits until the subscription is active.
export async function subscribe(client, destination, headers = {}) {
  const inbox = new Inbox();
  const subscription = await confirmed(client, (receipt) =>
    client.subscribe(destination, (message) => inbox.push(message), { ...headers, receipt }),
  );
  return Object.assign(inbox, { subscription });
}
