import { overHttp } from "./http.js";
import { request } from "./requests.js";
import type { OpenTransport } from "./transport.js";

/**
 * `xhr_streaming` and `xhr`: lines in one response after the other, which stay open for long or end with each
 * frame.
 */
export const openXhrStreaming = open("/xhr_streaming");
export const openXhrPolling = open("/xhr");

function open(what: "/xhr_streaming" | "/xhr"): OpenTransport {
  return overHttp(async (at, listener, options, signal) => {
    const response = await request(at(what), options, { method: "POST", signal });
    if (response.status !== 200 || !response.body) throw new Error(`http status ${response.status}`);
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    let hadFrames = false;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return hadFrames;
      listener.alive();
      const lines = decoder.decode(value, { stream: true }).split("\n");
      lines[0] = rest + lines[0];
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") continue;
        hadFrames = true;
        listener.frame(line.replace(/\r$/, ""));
      }
    }
  });
}
