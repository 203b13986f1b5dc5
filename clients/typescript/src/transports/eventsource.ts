import { overHttp } from "./http.js";
import type { OpenTransport } from "./transport.js";

/**
 * `eventsource`: the data of server-sent events, in one response after the other.
 *
 * A browser would wait for seconds before it asks again, and would ask for ever. So each `EventSource` has one
 * response, and one that has not begun is the end.
 */
export const openEventSource: OpenTransport = overHttp(
  (at, listener, { eventSourceCredentials }, signal) =>
    new Promise((resolve, reject) => {
      const source = new EventSource(at("/eventsource"), { withCredentials: eventSourceCredentials() });
      const close = (): void => source.close();
      let isAnswered = false;
      let hadFrames = false;
      signal.addEventListener("abort", close);
      source.onopen = () => (isAnswered = true);
      source.onmessage = ({ data }) => {
        hadFrames = true;
        listener.frame(decode(data));
      };
      source.onerror = () => {
        const wasRefused = source.readyState === source.CLOSED;
        close();
        signal.removeEventListener("abort", close);
        if (wasRefused || !isAnswered) reject();
        else resolve(hadFrames);
      };
    }),
);

/** What servers encode in events. Some encode nothing, so what is no such encoding stays. */
function decode(data: string): string {
  return data.replace(/%(25|0[0AaDd])/g, decodeURIComponent);
}
