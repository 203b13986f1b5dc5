// The two tricks of pages that had no other way to hear from their server, by hand: a frame that never
// finishes loading, and scripts that are answers. SockJS's resources serve them, and say which frames:
// `o` opens, `a[…]` has messages, `h` is a heartbeat, `c[…]` closes.

import { ask } from './ledger.js';
import { element } from '../dom.js';

/** What frames and scripts call. */
const callbacks = (window._lab = {});
let number = 0;

class Comet {
  constructor(url, settings, heard) {
    this.session = `${url}/sockjs/000/${crypto.getRandomValues(new Uint32Array(2)).join('')}`;
    this.heard = heard;
    this.closed = false;
    number += 1;
    this.callback = `c${number}`;
  }

  url(resource) {
    return `${this.session}/${resource}?c=_lab.${this.callback}`;
  }

  frame(frame) {
    this.heard.arrived();
    const rest = frame.slice(1);
    if (frame[0] === 'o') this.heard.opened();
    else if (frame[0] === 'a') for (const text of JSON.parse(rest)) this.heard.message(text);
    else if (frame[0] === 'c') this.heard.failed({ text: `closed with ${rest}` });
  }

  async send(text) {
    const body = new URLSearchParams({ d: JSON.stringify([text]) });
    await ask(`${this.session}/jsonp_send`, { method: 'POST', body });
  }

  close() {
    this.closed = true;
    this.shown?.remove();
    // A script that is under way may still call.
    callbacks[this.callback] = Object.assign(() => {}, { start() {}, message() {}, stop() {} });
  }
}

/** A frame that goes on loading: each message is a script in it. */
export class Htmlfile extends Comet {
  start() {
    // The page in the frame does the same; where browsers still look at it, both have to.
    if (!window.originAgentCluster) document.domain = document.domain; // eslint-disable-line no-self-assign
    callbacks[this.callback] = {
      start: () => this.heard.arrived(),
      message: (frame) => this.frame(frame),
      stop: () => { this.ended = true; },
    };
    this.shown = element('iframe', { hidden: '', title: 'htmlfile' });
    this.shown.addEventListener('load', () => this.loaded());
    this.shown.src = this.url('htmlfile');
    document.body.append(this.shown);
  }

  /** The frame has loaded to its end: a response has its limit, and the next one follows. */
  loaded() {
    if (this.closed) return;
    if (this.ended) {
      this.ended = false;
      this.shown.src = this.url('htmlfile');
    } else {
      this.heard.failed({ text: 'the frame did not show what the server sent' });
    }
  }
}

/** Long polling by script elements: each answer calls a function. */
export class Jsonp extends Comet {
  start() {
    callbacks[this.callback] = (frame) => {
      this.called = true;
      this.frame(frame);
    };
    this.next();
  }

  next() {
    this.called = false;
    this.shown?.remove();
    this.shown = element('script', { src: `${this.url('jsonp')}&t=${Math.round(performance.now())}` });
    this.shown.addEventListener('load', () => {
      if (this.closed) return;
      if (this.called) this.next();
      else this.heard.failed({ text: 'the script did not call back' });
    });
    this.shown.addEventListener('error', () => {
      if (!this.closed) this.heard.failed({ text: 'the script did not load' });
    });
    document.head.append(this.shown);
  }
}
