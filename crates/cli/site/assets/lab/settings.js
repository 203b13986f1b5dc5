// The knobs. They are kept in the page's address, so that a link is a setup.

import { part } from '../dom.js';
import * as format from './format.js';

const INTERVAL_MIN_MS = 100;
const INTERVAL_MAX_MS = 30_000;
const SLIDER_MAX = 100;

const NUMBERS = ['size', 'count', 'rate', 'quiet'];

/** The polling interval at a place of the slider: logarithmic, and round. */
function intervalAt(place) {
  const exact = INTERVAL_MIN_MS * (INTERVAL_MAX_MS / INTERVAL_MIN_MS) ** (place / SLIDER_MAX);
  return Number(exact.toPrecision(2));
}

function placeOf(interval) {
  return (Math.log(interval / INTERVAL_MIN_MS) / Math.log(INTERVAL_MAX_MS / INTERVAL_MIN_MS)) * SLIDER_MAX;
}

export class Settings {
  interval = 1000;
  #sliders = [part('interval'), part('interval-again')];
  #outputs = [part('interval-text'), part('interval-again-text')];
  #boxes;

  /** `changed` is called when a knob was turned. */
  constructor(transports, choices, changed) {
    this.#boxes = new Map(transports.map(({ name }) => [name, choices.querySelector(`[name="${name}"]`)]));
    this.#read(new URLSearchParams(location.search));
    for (const slider of this.#sliders) {
      slider.addEventListener('input', () => {
        this.interval = intervalAt(Number(slider.value));
        this.#showInterval(slider);
        changed();
      });
    }
    for (const name of NUMBERS) part(name).addEventListener('change', () => changed());
    choices.addEventListener('change', () => changed());
    this.#showInterval();
  }

  #read(query) {
    for (const name of NUMBERS) {
      if (query.has(name)) part(name).value = query.get(name);
    }
    const interval = Number(query.get('interval'));
    if (interval) this.interval = Math.min(INTERVAL_MAX_MS, Math.max(INTERVAL_MIN_MS, interval));
    if (query.has('only')) {
      const only = query.get('only').split(' ');
      for (const [name, box] of this.#boxes) box.checked = only.includes(name);
    }
  }

  #showInterval(turned) {
    for (const slider of this.#sliders) {
      if (slider !== turned) slider.value = placeOf(this.interval);
      slider.setAttribute('aria-valuetext', format.milliseconds(this.interval));
    }
    for (const output of this.#outputs) output.textContent = format.milliseconds(this.interval);
  }

  /** The knobs as they are now; the polling interval may be turned while something runs. */
  get values() {
    const settings = Object.fromEntries(NUMBERS.map((name) => [name, number(part(name))]));
    Object.defineProperty(settings, 'interval', { enumerable: true, get: () => this.interval });
    return settings;
  }

  /** Which transports are wanted. */
  wants(name) {
    return this.#boxes.get(name).checked;
  }

  /** Writes the knobs into the page's address. */
  keep() {
    const query = new URLSearchParams({ ...this.values });
    const chosen = [...this.#boxes].filter(([, box]) => box.checked).map(([name]) => name);
    if (chosen.length < this.#boxes.size) query.set('only', chosen.join(' '));
    history.replaceState(null, '', `?${query}`);
  }
}

/** What is in a field, brought within what it may be. */
function number(field) {
  const wanted = Number.isFinite(field.valueAsNumber) ? field.valueAsNumber : Number(field.defaultValue);
  const value = Math.round(Math.min(Number(field.max), Math.max(Number(field.min), wanted)));
  field.value = value;
  return value;
}
