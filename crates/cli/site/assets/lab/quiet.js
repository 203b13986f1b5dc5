import { QUIET, TRANSPORTS } from './transports.js';
import { difference } from './statistics.js';

const OPEN_MS = 3000;
/** Until those that wait for messages wait. */
const SETTLE_MS = 300;
const READ_EVERY_MS = 500;
/** The server pings a WebSocket that was silent for so long; ping and pong are 2 and 6 octets. */
export const PING_EVERY_MS = 25_000;
export const PING_OCTETS = 8;

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
      result = { seconds: elapsed / 1000, rows: rows.map((row) => cost(row, now, before, elapsed)) };
      changed(result);
      await pause(Math.max(0, Math.min(READ_EVERY_MS, begun + settings.quiet * 1000 - performance.now())));
    } while (!stopped.aborted && result.seconds < settings.quiet);
    return result;
  } finally {
    for (const { connection, key } of rows) {
      connection.close();
      ledger.endRow(key).catch(() => {});
    }
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

function cost({ transport, key, connection, isOpen, failure }, now, before, elapsed) {
  const { name, label, kind } = transport;
  const counted = difference(now[key], before[key]);
  const pings = connection.frames ? Math.floor(elapsed / PING_EVERY_MS) : 0;
  const octets = counted.octets + pings * PING_OCTETS;
  const scale = 60_000 / Math.max(elapsed, 1);
  return {
    name,
    label,
    kind,
    failed: isOpen ? null : failure?.text ?? 'did not open in time',
    requests: counted.requests,
    octets,
    requestsPerMinute: counted.requests * scale,
    octetsPerMinute: octets * scale,
  };
}
