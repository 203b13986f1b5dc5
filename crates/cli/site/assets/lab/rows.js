import { element } from '../dom.js';
import * as format from './format.js';
import { logarithmic, percent, shape } from './svg.js';

const SHORTEST_MS = 0.3;
const LONGEST_MS = 30_000;
const DECADES_MS = [1, 10, 100, 1000, 10_000];
const place = logarithmic(SHORTEST_MS, LONGEST_MS);
const DECADE_LABELS = ['1 ms', '10', '100', '1 s', '10 s'];

/** The scale above the strips. */
export function axis() {
  return shape(
    'svg',
    { class: 'axis', 'aria-hidden': 'true' },
    ...DECADES_MS.map((ms, index) =>
      shape('text', { x: percent(place(ms)), y: '1em', 'text-anchor': 'middle' }, DECADE_LABELS[index])),
  );
}

const COLUMNS = 7;
const STATES = { waiting: '', opening: 'opening …', measuring: 'measuring …', done: '', failed: '', stopped: '' };

/** One transport's row of the table. */
export class Row {
  #drawn = 0;
  #dots = shape('g');
  #median = shape('line', { class: 'median', y1: '12%', y2: '88%', visibility: 'hidden' });
  #cells = {};

  constructor({ name, label, about, kind }) {
    const cell = (key, heading, ...children) => {
      const made = element('td', { class: key, 'data-label': heading, 'data-testid': key }, ...children);
      this.#cells[key] = made;
      return made;
    };
    this.verdict = element('span', { class: 'verdict', 'data-testid': 'verdict' });
    this.bar = shape('svg', { class: 'bar', 'aria-hidden': 'true' });
    this.octets = element('span', { 'data-testid': 'octets' });
    const strip = shape(
      'svg',
      { class: 'strip', 'aria-hidden': 'true' },
      ...DECADES_MS.map((ms) => shape('line', { class: 'grid', x1: percent(place(ms)), x2: percent(place(ms)), y1: 0, y2: '100%' })),
      ...DECADES_MS.map((ms, index) => shape('text', { x: percent(place(ms)), y: '100%', 'text-anchor': 'middle' }, DECADE_LABELS[index])),
      this.#dots,
      this.#median,
    );
    const aside = element('span', { class: 'about' }, about);
    this.heading = element('th', { scope: 'row' }, element('span', { class: 'label' }, label), aside, ' ', this.verdict);
    this.element = element(
      'tr',
      { 'data-testid': `row-${name}`, 'data-kind': kind, 'data-state': 'waiting' },
      this.heading,
      cell('latencies', 'Each message', strip),
      cell('median-ms', 'Median'),
      cell('p95-ms', '95 in 100'),
      cell('cost', 'Octets a message', element('div', {}, this.octets, this.bar)),
      cell('requests', 'Requests'),
      cell('connect', 'To connect'),
    );
  }

  /** Shows a result; `most` are the octets per message of the most expensive one. */
  show(result, most) {
    this.element.dataset.state = result.state;
    this.element.dataset.verdict = result.verdict?.code ?? '';
    const text = result.verdict?.text ?? STATES[result.state];
    if (this.verdict.textContent !== text) this.verdict.textContent = text;
    // A reason has the whole row for itself.
    const alone = result.state === 'failed' && result.latencies.length === 0;
    this.heading.colSpan = alone ? COLUMNS : 1;
    for (const cell of Object.values(this.#cells)) cell.hidden = alone;
    this.#strip(result.latencies, result.latency);
    this.#set('median-ms', format.milliseconds(result.latency?.median));
    this.#set('p95-ms', format.milliseconds(result.latency?.p95));
    this.#set('connect', format.milliseconds(result.connect?.ms));
    this.#cost(result, most);
  }

  #set(key, text) {
    if (this.#cells[key].textContent !== text) this.#cells[key].textContent = text;
  }

  #strip(latencies, latency) {
    if (latencies.length < this.#drawn) {
      this.#dots.replaceChildren();
      this.#drawn = 0;
    }
    for (; this.#drawn < latencies.length; this.#drawn += 1) {
      // Not on one line, so that those alike are seen to be many.
      const y = 28 + ((this.#drawn * 37) % 45);
      this.#dots.append(shape('circle', { cx: percent(place(latencies[this.#drawn])), cy: `${y}%`, r: 3.5 }));
    }
    this.#median.setAttribute('visibility', latency ? 'visible' : 'hidden');
    if (latency) {
      for (const end of ['x1', 'x2']) this.#median.setAttribute(end, percent(place(latency.median)));
    }
  }

  #cost({ state, messages }, most) {
    const each = state === 'done' ? messages?.octetsPerMessage : undefined;
    this.octets.textContent = format.octets(each);
    this.bar.replaceChildren();
    if (each === undefined) {
      this.#set('requests', '');
      return;
    }
    const payload = Math.min(messages.payload, each);
    this.bar.append(
      shape('rect', { class: 'overhead', width: percent(each / most), height: '100%', rx: 2 }),
      shape('rect', { class: 'payload', width: percent(payload / most), height: '100%', rx: 2 }),
    );
    const frames = messages.frames > 0 && messages.requests === 0;
    this.#set('requests', frames ? 'none: frames' : format.number(messages.requestsPerMessage));
  }
}

/** The body of the table: a row for each transport, under headings of their groups. */
export function table(body, transports) {
  const rows = new Map();
  let group = null;
  for (const transport of transports) {
    if (transport.group !== group) {
      group = transport.group;
      const heading = element('th', { scope: 'rowgroup', colspan: COLUMNS }, group);
      body.append(element('tr', { class: 'group' }, heading));
    }
    const row = new Row(transport);
    rows.set(transport.name, row);
    body.append(row.element);
  }
  return rows;
}
