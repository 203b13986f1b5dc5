// A page with a SockJS client in it.

import assert from "node:assert/strict";
import { PATIENCE_MS } from "./server.js";

export const AWKWARD = [
  "",
  "100% %41",
  '"quoted" \\ back',
  "\0\b\t\n\f\r\x1f\x7f",
  "\u200c\u200f\u2028\u202f\u2060\u206f\ufff0\uffff",
  "gr\u00fc\u00dfe \u{1f600} \u{10ffff}",
  "</script><script>parent.hacked = true</script>",
  'a["o"]\nh\nc[3000]',
];

/// A page of `host` with the client that `script` loads, whose `connect` opens sessions with the services at
/// the port.
export async function openPage(browser, { host, port, script }) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.failures = [];
  page.on("pageerror", (error) => page.failures.push(String(error)));
  await page.goto(`http://${host}:${port}/echo`);
  await page.addScriptTag(script);
  await page.evaluate((base) => {
    window.connect = (service, transports, options = {}) => {
      const sockjs = new SockJS(base + service, null, { transports, timeout: 15_000, ...options });
      const events = [];
      const waiting = [];
      const tell = (event) => (waiting.length > 0 ? waiting.shift()(event) : events.push(event));
      sockjs.onopen = () => tell({ type: "open", transport: sockjs.transport });
      sockjs.onmessage = ({ data }) => tell({ type: "message", data });
      sockjs.onclose = ({ code, reason, wasClean }) => tell({ type: "close", code, reason, wasClean });
      sockjs.next = () => {
        if (events.length > 0) return Promise.resolve(events.shift());
        if (sockjs.readyState === SockJS.CLOSED) return Promise.resolve({ type: "nothing more" });
        return new Promise((resolve) => waiting.push(resolve));
      };
      return sockjs;
    };
  }, `http://127.0.0.1:${port}`);
  page.done = async () => {
    assert.deepEqual(page.failures, []);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    await context.close();
  };
  return page;
}
