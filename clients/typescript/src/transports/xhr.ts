import type { Listener, OpenTransport, Transport } from "./transport.js";
import type { TransportOptions } from "../options.js";
import { Sender } from "./sender.js";

/**
 * `xhr_streaming` and `xhr`: lines in one response after the other, which stay open for long or end with each
 * frame.
 */
function open(what: "/xhr_streaming" | "/xhr"): OpenTransport {
  return (at, listener, options): Transport => {
    const abort = new AbortController();
    const lost = (reason: string): void => {
      abort.abort();
      listener.lost(1006, reason);
    };
    void receive(at(what), listener, options, abort.signal).catch(() => {
      if (!abort.signal.aborted) lost("permanent");
    });
    const sender = new Sender(at("/xhr_send"), options, abort.signal, lost);
    return {
      send: (message) => sender.push(message),
      close: () => abort.abort(),
    };
  };
}

export const openXhrStreaming = open("/xhr_streaming");
export const openXhrPolling = open("/xhr");

async function receive(
  url: string,
  listener: Listener,
  { headers, credentials }: TransportOptions,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    const response = await fetch(url, { method: "POST", headers: { ...headers }, credentials, signal });
    if (response.status !== 200 || !response.body) throw new Error(`http status ${response.status}`);
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (signal.aborted) throw signal;
        if (line !== "") listener.frame(line.replace(/\r$/, ""));
      }
    }
  }
}
