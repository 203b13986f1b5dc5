import { element, part, showStatus } from './dom.js';
import { Dilemma } from './lab/dilemma.js';
import { explain } from './lab/diagnosis.js';
import * as format from './lab/format.js';
import { Ledger } from './lab/ledger.js';
import { blank, measure } from './lab/measure.js';
import { watch } from './lab/quiet.js';
import { axis, table } from './lab/rows.js';
import { Settings } from './lab/settings.js';
import { percent, shape } from './lab/svg.js';
import { TRANSPORTS } from './lab/transports.js';

/** The browser forgets beyond 250 requests otherwise. */
const REQUESTS_KEPT = 5000;
const COPIED_MS = 1500;
/** What a transport takes beside its messages, for the estimate. */
const OVERHEAD_MS = 600;

const ui = Object.fromEntries(
  ['form', 'start', 'stop', 'status', 'estimate', 'rows', 'axis', 'note', 'summary', 'quiet-rows', 'quiet-text', 'json', 'copy', 'choices'].map(
    (name) => [name, part(name)],
  ),
);
const rows = table(ui.rows, TRANSPORTS);
ui.axis.append(axis());
offerChoices();
const dilemma = new Dilemma({ latency: part('dilemma-latency'), octets: part('dilemma-octets'), text: part('dilemma-text') });
const settings = new Settings(TRANSPORTS, ui.choices, turned);

let running = null;
let wasHidden = false;

/** A box for each transport, by which it can be left out. */
function offerChoices() {
  for (const { name, label } of TRANSPORTS) {
    const box = element('input', { type: 'checkbox', name, checked: '' });
    ui.choices.append(element('label', {}, box, label));
  }
}

function turned() {
  settings.keep();
  dilemma.show(settings.interval);
  estimate();
}

function estimate() {
  const { count, rate, quiet, interval } = settings.values;
  const chosen = TRANSPORTS.filter(({ name }) => settings.wants(name));
  const each = ((count - 1) / rate) * 1000 + OVERHEAD_MS;
  const polling = settings.wants('polling') ? interval : 0;
  const seconds = (chosen.length * each + polling) / 1000 + quiet;
  ui.estimate.textContent = `${chosen.length} transports, one after the other: about ${Math.round(seconds)} s.`;
}

async function start(event) {
  event.preventDefault();
  if (running) return;
  running = new AbortController();
  wasHidden = document.hidden;
  const result = { settings: { ...settings.values }, rows: [], quiet: null };
  const chosen = TRANSPORTS.filter(({ name }) => settings.wants(name));
  for (const transport of TRANSPORTS) {
    rows.get(transport.name).element.hidden = !chosen.includes(transport);
  }
  result.rows = chosen.map(blank);
  draw(result);
  show('running');
  performance.clearResourceTimings();
  performance.setResourceTimingBufferSize(REQUESTS_KEPT);
  let ledger;
  try {
    ledger = await Ledger.begin();
    addEventListener('pagehide', () => ledger.end(), { signal: running.signal });
    await run(ledger, chosen, result, running.signal);
    showStatus(ui.status, 'open', running.signal.aborted ? 'Stopped' : 'Done');
  } catch (error) {
    await failAll(chosen, result, error);
  } finally {
    ledger?.end().catch(() => {});
    running.abort();
    running = null;
    draw(result);
    publish(result);
    show('idle');
  }
}

async function run(ledger, chosen, result, stopped) {
  for (const [index, transport] of chosen.entries()) {
    if (stopped.aborted) break;
    showStatus(ui.status, 'connecting', `${index + 1} of ${chosen.length}: ${transport.label}`);
    const row = result.rows[index];
    const knobs = settings.values;
    // A drawing for each picture of the screen is enough.
    const changed = onceAFrame(() => draw(result));
    await measure(transport, { ledger, settings: knobs, result: row, changed, stopped });
    row.interval = transport.kind === 'polling' ? settings.interval : undefined;
    if (transport.kind === 'polling') dilemma.learn(row, null, settings.interval);
    if (transport.name === 'websocket') dilemma.learn(null, row, settings.interval);
  }
  summarise(result);
  await tellOfProxies(ledger, result);
  if (stopped.aborted || result.settings.quiet === 0) return;
  showStatus(ui.status, 'connecting', `Nothing is said for ${result.settings.quiet} s`);
  const changed = (quiet) => {
    result.quiet = quiet;
    drawQuiet(quiet);
  };
  await watch({ ledger, settings: settings.values, changed, stopped });
}

/** The run in one sentence. */
function summarise({ settings: { size, interval }, rows: measured }) {
  const said = ['websocket', 'long-polling', 'polling'].flatMap((name) => {
    const row = measured.find((it) => it.name === name);
    if (row?.state !== 'done') return [];
    const label = name === 'polling' ? `polling every ${format.milliseconds(interval)}` : name.replace('-', ' ').replace('websocket', 'WebSocket');
    return [`${label} ${format.octets(row.messages.octetsPerMessage)} octets and ${format.milliseconds(row.latency.median)}`];
  });
  ui.summary.textContent = said.length > 1 ? `There and back with ${size} octets: ${said.join('; ')}.` : '';
}

/** Whether the server was told of proxies, and which HTTP came to it. */
async function tellOfProxies(ledger, result) {
  const tallies = Object.values(await ledger.read());
  result.forwarded = tallies.some(({ forwarded }) => forwarded > 0);
  result.http = [...new Set(tallies.map(({ http }) => http).filter(Boolean))];
  const notes = [];
  if (result.forwarded) {
    notes.push('A proxy passes the requests on: the octets of HTTP are those between it and the server.');
  }
  if (result.http.some((version) => !version.startsWith('HTTP/1.'))) {
    notes.push(`The server was asked in ${result.http.join(' and ')}; the octets are those that HTTP/1.1 would take.`);
  }
  if (wasHidden) notes.push('The page was in the background, where browsers slow timers down: measure again in front.');
  result.wasHidden = wasHidden;
  ui.note.textContent = notes.join(' ');
}

/** The server does not even count: none of the transports can be tried. */
async function failAll(chosen, result, error) {
  for (const [index, transport] of chosen.entries()) {
    const row = result.rows[index];
    if (row.verdict) continue;
    row.state = 'failed';
    const failure = { status: error.status, text: error.message };
    row.verdict = await explain({ ...transport, frames: [] }, { failure }, undefined, '');
  }
  showStatus(ui.status, 'closed', 'The server does not take part');
}

function draw(result) {
  const costs = result.rows.filter(({ state }) => state === 'done').map(({ messages }) => messages.octetsPerMessage);
  const most = Math.max(1, ...costs);
  for (const row of result.rows) rows.get(row.name).show(row, most);
}

function drawQuiet({ seconds, rows: watched }) {
  const most = Math.max(1, ...watched.map(({ minute }) => minute?.octets ?? 0));
  ui['quiet-text'].textContent = `They were watched for ${Math.round(seconds)} s.`;
  ui['quiet-rows'].replaceChildren(
    ...watched.map(({ name, label, kind, failed, seen, minute }) => {
      const bar = shape('svg', { class: 'bar', 'aria-hidden': 'true' },
        shape('rect', { class: 'overhead', width: percent((minute?.octets ?? 0) / most), height: '100%', rx: 2 }));
      const cost = failed ?? `${format.octets(minute.octets)} octets a minute${minute.computed ? ', computed' : ''}`;
      const requests = seen.requests === 1 ? '1 request' : `${seen.requests} requests`;
      return element('li', { 'data-testid': `quiet-${name}`, 'data-kind': kind, 'data-requests': seen.requests },
        element('span', { class: 'label' }, label), bar,
        element('span', { class: 'numbers' }, cost, element('span', { class: 'soft small' }, `seen: ${requests}, ${format.octets(seen.octets)} octets`)));
    }),
  );
}

function onceAFrame(task) {
  let due = false;
  return () => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      task();
    });
  };
}

/** What somebody else can make something of. */
function publish(result) {
  const tenth = (value) => Math.round(value * 10) / 10;
  const shared = {
    what: 'Tidings transport lab',
    format: 1,
    date: new Date().toISOString(),
    server: location.origin,
    browser: navigator.userAgent,
    ...result,
    rows: result.rows.map((row) => ({ ...row, latencies: row.latencies.map(tenth) })),
  };
  ui.json.textContent = JSON.stringify(shared, null, 2);
  ui.json.closest('details').hidden = false;
  ui.copy.hidden = !navigator.clipboard;
}

async function copy() {
  try {
    await navigator.clipboard.writeText(ui.json.textContent);
    ui.copy.textContent = 'Copied';
  } catch {
    ui.copy.textContent = 'Refused';
  }
  setTimeout(() => { ui.copy.textContent = 'Copy as JSON'; }, COPIED_MS);
}

function show(state) {
  const isRunning = state === 'running';
  ui.form.dataset.state = state;
  ui.start.disabled = isRunning;
  ui.stop.disabled = !isRunning;
  // The next step is the one that stands out.
  ui.start.classList.toggle('main-action', !isRunning);
  ui.stop.classList.toggle('main-action', isRunning);
  for (const field of ui.form.querySelectorAll('input:not([type="range"])')) field.disabled = isRunning;
}

ui.form.addEventListener('submit', start);
ui.stop.addEventListener('click', () => running?.abort());
ui.copy.addEventListener('click', copy);
document.addEventListener('visibilitychange', () => { wasHidden ||= document.hidden; });
dilemma.show(settings.interval);
estimate();
