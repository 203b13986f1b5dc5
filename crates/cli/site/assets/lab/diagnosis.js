// Why a transport fails here. The server's tally knows what came to it and what it has said; the page
// knows what arrived.

/** How many messages that arrive in one instant, though sent so far apart, make a burst. */
const BURST_MESSAGES = 3;
const BURST_INSTANT_MS = 5;
const BURST_APART_MS = 200;
/** How long the head of an answer may take. */
const HEAD_MS = 1000;

/**
 * What has to be said of a transport that did not open, or whose messages did not all come back. `seen` is
 * what the page knows, `tally` what the server knows.
 */
export async function explain(transport, seen, tally, url) {
  const { failure, arrived } = seen;
  if (failure?.missing) {
    return verdict('missing', `This page has no ${failure.missing}: the browser, an extension or a policy has taken it away.`);
  }
  if (seen.echoed > 0 || seen.sent > 0) return lost(seen);
  const status = failure?.status ?? tally?.last_error;
  if (status === 403 || status === 421) {
    const said = failure?.text ? ` It says: ${failure.text}` : '';
    return verdict('origin', `The server takes this page for one of another origin, which the same-origin policy (CORS) does not let in: a proxy has to pass the Host on.${said}`);
  }
  if (transport.kind === 'socket') return socket(failure, tally);
  if (failure?.status >= 502 && failure.status <= 504) {
    return verdict('gateway', `Something on the way gave up: status ${failure.status}.`);
  }
  if (status) return verdict('refused', `Refused with status ${status}. ${failure?.text ?? ''}`.trim());
  if (!tally?.requests) {
    return verdict('unreached', 'No request came to the server: something before it refuses them, or the page may not make them.');
  }
  if (seen.buffered) {
    return verdict('buffered', 'What the server wrote arrived only when its response had ended: a proxy gathers responses (proxy buffering).');
  }
  for (const frame of transport.frames) {
    const blocked = await blockedFrame(`${url}/${frame}`);
    if (blocked) return blocked;
  }
  if (!arrived && transport.kind === 'streaming' && tally.response_data_octets > 0) {
    return verdict('buffered', `The server has written ${tally.response_data_octets} octets in ${tally.requests} responses, and no message got through while they went on: a proxy gathers responses (proxy buffering).`);
  }
  return verdict('timeout', `Did not open in time; the server saw ${tally.requests} requests. ${failure?.text ?? ''}`.trim());
}

/** Why there is no WebSocket. Browsers do not say, but the server knows what came. */
function socket(failure, tally) {
  // SockJS asks for information first.
  const { upgrades_asked: asked = 0, upgrades_done: done = 0, requests = 0, last_error: error } = tally ?? {};
  if (done > 0) {
    return verdict('cut', 'The server agreed to the WebSocket, but nothing of it came back: something on the way does not let the connection through.');
  }
  if (asked > 0 && tally.http === 'HTTP/1.0') {
    return verdict('http-1.0', 'The handshake came in HTTP/1.0, which has no WebSockets: a proxy has to speak HTTP/1.1 to the server.');
  }
  if (asked > 0) return verdict('refused', `The server refused the handshake with status ${error ?? 'unknown'}.`);
  if (error) {
    return verdict('upgrade-stripped', 'The handshake came without its Upgrade header, so that it was an ordinary request: a proxy on the way strips it, as HTTP has proxies do with what they do not know.');
  }
  const text = requests > 0 ? 'The handshake did not come to the server' : 'Nothing came to the server';
  return verdict('unreached', `${text}: something on the way, or in this browser, refuses WebSockets. ${failure?.text ?? ''}`.trim());
}

function lost({ echoed, sent, failure }) {
  const why = failure?.text ? ` It ended: ${failure.text}.` : ' The others did not come in time.';
  return verdict('lost', `${echoed} of ${sent} messages came back.${why}`);
}

/** Whether a browser has to refuse to show a frame: a proxy may have added what forbids it. */
async function blockedFrame(url) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), HEAD_MS);
  try {
    const { headers } = await fetch(url, { cache: 'no-store', signal: stop.signal });
    const policy = headers.get('content-security-policy') ?? '';
    const ancestors = policy.match(/frame-ancestors[^;,]*/gi);
    // Where there are any, the older field does not count: CSP 3, 6.4.2.
    const options = ancestors ? null : headers.get('x-frame-options');
    if (/deny/i.test(options ?? '')) return frameVerdict(`X-Frame-Options: ${options}`);
    const forbids = ancestors?.find((list) => !/'self'|\*/.test(list));
    if (forbids) return frameVerdict(forbids);
  } catch {
    // What fails here is said of the transport.
  } finally {
    clearTimeout(timer);
    // Only the head was of interest.
    stop.abort();
  }
  return null;
}

function frameVerdict(why) {
  return verdict('frame-blocked', `The browser may not show the frame that this needs: “${why}” forbids it.`);
}

/** Messages sent apart that arrive together have been held back; `null` if there are none. */
export function findBursts(arrivals) {
  let held = 0;
  for (let first = 0, last = 0; first < arrivals.length; first = last) {
    while (last < arrivals.length && arrivals[last].now - arrivals[first].now < BURST_INSTANT_MS) last += 1;
    const burst = arrivals.slice(first, last);
    const sent = burst.map((message) => message.sent);
    const apart = Math.max(...sent) - Math.min(...sent);
    if (burst.length >= BURST_MESSAGES && apart > BURST_APART_MS) held += burst.length;
  }
  if (held < BURST_MESSAGES) return null;
  return verdict('bursts', `Works, but ${held} messages came in bursts: a proxy gathers what the server writes (proxy buffering).`);
}

function verdict(code, text) {
  return { code, text };
}
