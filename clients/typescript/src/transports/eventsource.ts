import type { OpenTransport, Transport } from "./transport.js";
import { Sender } from "./sender.js";

/** `eventsource`: the data of server-sent events, in one response after the other. */
export const openEventSource: OpenTransport = (at, listener, options): Transport => {
  const abort = new AbortController();
  let source: EventSource;
  const lost = (reason: string): void => {
    close();
    listener.lost(1006, reason);
  };
  const close = (): void => {
    abort.abort();
    source.close();
    source.onmessage = source.onerror = null;
  };
  const receive = (): void => {
    source = new EventSource(at("/eventsource"), { withCredentials: options.eventSourceCredentials });
    let isAnswered = false;
    source.onopen = () => (isAnswered = true);
    source.onmessage = ({ data }) => listener.frame(decode(data));
    source.onerror = () => {
      const wasRefused = source.readyState === source.CLOSED;
      // A browser would wait for seconds before it asks again.
      source.close();
      if (wasRefused || !isAnswered) lost("permanent");
      else receive();
    };
  };
  receive();
  const sender = new Sender(at("/xhr_send"), options, abort.signal, lost);
  return { send: (message) => sender.push(message), close };
};

/** What servers encode in events. Some encode nothing, so what is no such encoding stays. */
function decode(data: string): string {
  return data.replace(/%(25|0[0AaDd])/g, decodeURIComponent);
}
