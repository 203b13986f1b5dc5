import { WAIT_MS } from './plain.js';
import { QUIET, TRANSPORTS } from './transports.js';
import { difference } from './statistics.js';

const OPEN_MS = 3000;
/** Until those that wait for messages wait. */
const SETTLE_MS = 300;
const READ_EVERY_MS = 500;
const MINUTE_MS = 60_000;
/** The server pings a WebSocket that was silent for so long; ping and pong are 2 and 6 octets. */
export const PING_EVERY_MS = 25_000;
export const PING_OCTETS = 8;
/** The server's streams have a heartbeat as often: an empty line, or a comment, as a chunk. */
const HEARTBEAT_EVERY_MS = 25_000;
const HEARTBEAT_OCTETS = { streaming: 6, eventsource: 8 };

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Opens some transports side by side, says nothing, and watches what they cost. `changed` is called with
 * what is known by now.
 */
export async function watch({ ledger, settings, changed, stopped }) {
  const watched = QUIET.map((name) => TRANSPORTS.find((transport) => transport.name === name));
  const rows = watched.map((transport) => open(transport, ledger, settings));
  try {
    await Promise.race([Promise.all(rows.map((row) => row.opened)), pause(OPEN_MS)]);
    await pause(SETTLE_MS);
    const before = await ledger.read();
    const begun = performance.now();
    let result;
    do {
      const elapsed = performance.now() - begun;
      const now = await ledger.read();
      result = { seconds: elapsed / 1000, rows: rows.map((row) => cost(row, now[row.key], before[row.key], elapsed)) };
      changed(result);
      await pause(Math.max(0, Math.min(READ_EVERY_MS, begun + settings.quiet * 1000 - performance.now())));
    } while (!stopped.aborted && result.seconds < settings.quiet);
    return result;
  } finally {
    for (const { connection } of rows) connection.close();
    await Promise.allSettled(rows.map(({ key }) => ledger.endRow(key)));
  }
}

function open(transport, ledger, settings) {
  const row = { transport, key: `quiet-${transport.name}`, isOpen: false, failure: null };
  row.opened = new Promise((resolve) => {
    const heard = {
      arrived() {},
      message() {},
      opened() { row.isOpen = true; resolve(); },
      failed(failure) { row.failure = failure; resolve(); },
    };
    row.connection = transport.start(ledger.url(row.key), settings, heard);
  });
  row.connection.start();
  return row;
}

function cost({ transport, connection, isOpen, failure }, now, before, elapsed) {
  const { name, label, kind } = transport;
  const { requests, octets } = difference(now, before);
  const seen = { requests, octets };
  if (connection.frames) seen.octets += Math.floor(elapsed / PING_EVERY_MS) * PING_OCTETS;
  const failed = isOpen ? null : (failure?.text ?? 'did not open in time');
  return { name, label, kind, failed, seen, minute: failed ? null : minute(transport, seen, before, elapsed) };
}

/** A minute: what happens often enough to be seen is scaled, what happens now and then is computed. */
function minute({ name, kind }, seen, before, elapsed) {
  const times = (every) => MINUTE_MS / every;
  if (kind === 'polling') {
    const scale = times(Math.max(elapsed, 1));
    return { requests: seen.requests * scale, octets: seen.octets * scale, computed: false };
  }
  if (kind === 'waiting') {
    // One was answered when it opened, and one waits since.
    const { request_head_octets: asked, response_head_octets: answered, requests } = before;
    return { requests: times(WAIT_MS), octets: times(WAIT_MS) * (asked / requests + answered), computed: true };
  }
  if (kind === 'socket') return { requests: 0, octets: times(PING_EVERY_MS) * PING_OCTETS, computed: true };
  return { requests: 0, octets: times(HEARTBEAT_EVERY_MS) * HEARTBEAT_OCTETS[name], computed: true };
}
