import { explain, findBursts } from './diagnosis.js';
import { Refused } from './ledger.js';
import { difference, summary } from './statistics.js';

/** How long a transport may take to open. SockJS gives up by itself a little earlier. */
const OPEN_MS = 6000;
/** How long the echoes may take after the last message, beside the polling interval. */
const ECHO_MS = 5000;
/** How long what was held back may take, once the server has ended its response. */
const FLUSH_MS = 1500;
/**
 * How long it is quiet before and after the messages, so that a request which waits for the next message
 * is counted where it belongs.
 */
const SETTLE_MS = 100;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A promise, and what fulfils it. */
function signal() {
  const made = {};
  made.promise = new Promise((resolve) => { made.fulfil = resolve; });
  return made;
}

/** What is known of one transport before anything has happened. */
export function blank({ name, label, kind }) {
  return {
    name,
    label,
    kind,
    state: 'waiting',
    verdict: null,
    connect: null,
    sent: 0,
    latencies: [],
    latency: null,
    messages: null,
    browser: null,
  };
}

/**
 * Opens a transport, sends the messages and waits for them to come back. `changed` is called whenever the
 * result is worth drawing; `stopped` is a signal of an AbortController.
 */
export async function measure(transport, { ledger, settings, result, changed, stopped }) {
  const echoes = new Echoes(result, settings.count, changed);
  const opened = signal();
  const failed = signal();
  let arrived = false;
  const heard = {
    arrived() { arrived = true; },
    opened() { arrived = true; opened.fulfil('opened'); },
    message(text) { arrived = true; echoes.back(text); },
    failed(failure) { failed.fulfil(failure); },
  };
  const halted = new Promise((resolve) => stopped.addEventListener('abort', () => resolve('stopped'), { once: true }));
  const url = ledger.url(transport.name);
  const connection = transport.start(url, settings, heard);
  const tally = async () => (await ledger.read())[transport.name];

  result.state = 'opening';
  changed();
  const begun = performance.now();
  try {
    connection.start();
    let end = await Promise.race([opened.promise, failed.promise, halted, pause(OPEN_MS)]);
    if (end !== 'opened') {
      if (end === 'stopped') return halt(result);
      const buffered = !end && (await comesAtTheEnd(ledger, transport, () => arrived));
      const seen = { failure: end, arrived, buffered };
      return fail(result, await explain(transport, seen, await tally(), url));
    }
    const ms = performance.now() - begun;
    if (transport.kind !== 'polling') await pause(SETTLE_MS);
    const before = await tally();
    const frames = connection.frames?.snapshot();
    result.connect = { ms, ...difference(before), frames: frames?.count ?? 0 };
    result.connect.octets += frames?.octets ?? 0;
    result.state = 'measuring';
    changed();

    const sending = send(connection, settings, { echoes, stopped, failed: heard.failed });
    end = await Promise.race([sending, failed.promise, halted]);
    if (!end) {
      const patience = pause(ECHO_MS + (transport.kind === 'polling' ? settings.interval : 0));
      end = await Promise.race([echoes.all, failed.promise, halted, patience]);
    }
    if (end === 'stopped') return halt(result);
    if (transport.kind !== 'polling') await pause(SETTLE_MS);
    const after = await tally();
    if (connection.rounds) result.round = summary(connection.rounds);
    result.messages = counted(settings, difference(after, before), connection, frames);
    result.browser = browserSaw(url);
    if (end !== 'all') {
      const seen = { failure: end, arrived, echoed: echoes.count, sent: result.sent };
      return fail(result, await explain(transport, seen, after, url));
    }
    return finish(result, transport, echoes, connection);
  } catch (error) {
    if (stopped.aborted) return halt(result);
    const failure = { status: error instanceof Refused ? error.status : undefined, text: error.message };
    return fail(result, await explain(transport, { failure, arrived }, undefined, url));
  } finally {
    connection.close();
    ledger.endRow(transport.name).catch(() => {});
    changed();
  }
}

/** Sends the messages, at their rate. */
async function send(connection, { count, rate, size }, { echoes, stopped, failed }) {
  const begun = performance.now();
  const sent = [];
  for (let number = 0; number < count && !stopped.aborted; number += 1) {
    const wait = begun + (number * 1000) / rate - performance.now();
    if (wait > 0) await pause(wait);
    if (stopped.aborted) break;
    const text = `${number}:`.padEnd(size, 'x');
    echoes.sending(number);
    const failure = (error) => failed({ status: error.status, text: error.message });
    sent.push(Promise.resolve(connection.send(text)).catch(failure));
  }
  await Promise.all(sent);
}

/** Which messages came back, and how long they took. */
class Echoes {
  #times = new Map();
  #all = signal();
  #result;
  #changed;
  #expected;
  arrivals = [];
  count = 0;

  constructor(result, expected, changed) {
    this.#result = result;
    this.#expected = expected;
    this.#changed = changed;
  }

  get all() {
    return this.#all.promise;
  }

  sending(number) {
    this.#times.set(number, performance.now());
    this.#result.sent += 1;
    this.#changed();
  }

  back(text) {
    const now = performance.now();
    const number = Number.parseInt(text, 10);
    const sent = this.#times.get(number);
    // Twice, or none of ours.
    if (sent === undefined) return;
    this.#times.delete(number);
    this.count += 1;
    this.arrivals.push({ sent, now });
    this.#result.latencies.push(now - sent);
    this.#result.latency = summary(this.#result.latencies);
    this.#changed();
    if (this.count === this.#expected) this.#all.fulfil('all');
  }
}

/** Whether what nobody has heard of comes at once when the server ends its response. */
async function comesAtTheEnd(ledger, transport, arrived) {
  if (transport.kind !== 'streaming') return false;
  await ledger.endRow(transport.name);
  const until = performance.now() + FLUSH_MS;
  while (!arrived() && performance.now() < until) await pause(50);
  return arrived();
}

/** What the messages cost: by the server's tally, and for WebSocket by the frames that they need. */
function counted({ size }, tally, connection, framesBefore) {
  const frames = connection.frames?.snapshot();
  const frameCount = frames ? frames.count - framesBefore.count : 0;
  const frameOctets = frames ? frames.octets - framesBefore.octets : 0;
  return {
    requests: tally.requests,
    frames: frameCount,
    octets: tally.octets + frameOctets,
    heads: tally.heads,
    /** There and back. */
    payload: 2 * size,
    computed: Boolean(frames),
  };
}

function finish(result, transport, echoes, connection) {
  result.messages.octetsPerMessage = result.messages.octets / echoes.count;
  result.messages.requestsPerMessage = result.messages.requests / echoes.count;
  result.state = 'done';
  const bursts = transport.kind === 'streaming' && findBursts(echoes.arrivals);
  result.verdict = bursts || { code: 'works', text: 'Works here.' };
  if (connection.extensions) {
    result.verdict.text += ` Compressed (${connection.extensions}): fewer octets than computed.`;
  }
}

function fail(result, verdict) {
  result.state = 'failed';
  result.verdict = verdict;
}

function halt(result) {
  result.state = 'stopped';
  result.verdict = { code: 'stopped', text: 'Stopped before the end.' };
}

/** What Resource Timing has of a row, to be compared with what the server counted. */
function browserSaw(url) {
  const entries = performance.getEntriesByType('resource').filter(({ name }) => name.startsWith(url));
  const body = entries.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
  return { finishedRequests: entries.length, encodedBodyOctets: body };
}
