// What a polling interval means: rarer polls are cheaper, and everything comes later.

import * as format from './format.js';
import { PING_EVERY_MS, PING_OCTETS } from './quiet.js';
import { logarithmic, shape } from './svg.js';

const SHORTEST_MS = 100;
const LONGEST_MS = 30_000;
const MINUTE_MS = 60_000;

const WIDTH = 360;
const HEIGHT = 190;
const LEFT = 56;
const RIGHT = 12;
const TOP = 14;
const BOTTOM = 30;
const INTERVALS = [[100, '0.1 s'], [1000, '1 s'], [10_000, '10 s']];

const across = logarithmic(SHORTEST_MS, LONGEST_MS);
const x = (ms) => LEFT + across(ms) * (WIDTH - LEFT - RIGHT);

/** A chart over the polling interval, both scales logarithmic. */
class Chart {
  constructor(drawing, { from, to, ticks }) {
    const up = logarithmic(from, to);
    this.y = (value) => HEIGHT - BOTTOM - up(value) * (HEIGHT - TOP - BOTTOM);
    this.curve = shape('path', { class: 'curve' });
    this.line = shape('path', { class: 'socket' });
    this.marker = shape('path', { class: 'marker' });
    this.point = shape('circle', { class: 'point', r: 5 });
    this.measured = shape('g', { class: 'measured' });
    drawing.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    drawing.replaceChildren(
      ...ticks.flatMap(([value, label]) => [
        shape('path', { class: 'grid', d: `M${LEFT} ${this.y(value)}H${WIDTH - RIGHT}` }),
        shape('text', { x: LEFT - 8, y: this.y(value) + 4, 'text-anchor': 'end' }, label),
      ]),
      ...INTERVALS.map(([ms, label]) =>
        shape('text', { x: x(ms), y: HEIGHT - 8, 'text-anchor': ms === SHORTEST_MS ? 'start' : 'middle' }, label)),
      this.line, this.marker, this.curve, this.measured, this.point,
    );
  }

  show(value, interval, socket) {
    const steps = Array.from({ length: 41 }, (_, step) => SHORTEST_MS * (LONGEST_MS / SHORTEST_MS) ** (step / 40));
    const isKnown = value(interval) > 0;
    this.point.setAttribute('visibility', isKnown ? 'visible' : 'hidden');
    this.curve.setAttribute('d', !isKnown ? '' : `M${steps.map((ms) => `${x(ms)} ${this.y(value(ms))}`).join('L')}`);
    this.marker.setAttribute('d', `M${x(interval)} ${TOP}V${HEIGHT - BOTTOM}`);
    this.point.setAttribute('cx', x(interval));
    this.point.setAttribute('cy', this.y(value(interval)));
    this.line.setAttribute('d', socket ? `M${LEFT} ${this.y(socket)}H${WIDTH - RIGHT}` : '');
  }

  /** What was measured, over the interval that it was measured at. */
  mark(interval, value) {
    this.measured.append(shape('circle', { cx: x(interval), cy: this.y(value), r: 3.5 }));
  }
}

export class Dilemma {
  #latency;
  #octets;
  #text;
  #known = {};

  constructor({ latency, octets, text }) {
    this.#latency = new Chart(latency, { from: 0.5, to: 40_000, ticks: [[1, '1 ms'], [10, '10 ms'], [100, '100 ms'], [1000, '1 s'], [10_000, '10 s']] });
    this.#octets = new Chart(octets, { from: 5, to: 1_000_000, ticks: [[10, '10'], [100, '100'], [1000, '1 kB'], [10_000, '10 kB'], [100_000, '100 kB']] });
    this.#text = text;
  }

  /** Takes what a run has found out: the rows of polling and of WebSocket. */
  learn(polling, socket, interval) {
    if (polling?.state === 'done') {
      this.#known.round = polling.round.median;
      this.#known.poll = polling.connect.octets / polling.connect.requests;
      this.#latency.mark(interval, polling.latency.median);
      this.#octets.mark(interval, this.#perMinute(interval));
    }
    if (socket?.state === 'done') this.#known.socket = socket.latency.median;
    this.show(interval);
  }

  show(interval) {
    const { round, poll, socket } = this.#known;
    // A message waits for the next poll, which is half an interval away on average, and comes with it.
    const wait = (ms) => ms / 2 + (round ?? 0);
    this.#latency.show(wait, interval, socket);
    const requests = MINUTE_MS / interval;
    const pings = (MINUTE_MS / PING_EVERY_MS) * PING_OCTETS;
    this.#octets.show((ms) => (MINUTE_MS / ms) * (poll ?? 0), interval, poll && pings);
    const said = [`At ${format.milliseconds(interval)} a message waits ${format.milliseconds(wait(interval))} on average, and a quiet minute takes ${format.number(requests)} requests`];
    if (poll) said.push(` of ${format.octets(poll)} octets each: ${format.octets(this.#perMinute(interval))}. A WebSocket takes ${format.number(pings)} octets for its pings`);
    if (socket) said.push(`, and its messages take ${format.milliseconds(socket)}`);
    this.#text.textContent = `${said.join('')}.`;
  }

  #perMinute(interval) {
    return (MINUTE_MS / interval) * this.#known.poll;
  }
}
