import { element } from '../dom.js';

const ROWS_MAX = 500;
/** How far from the end, in pixels, the conversation still counts as read to the end. */
const END_MARGIN = 48;

/** What has been said, oldest first. */
export class Conversation {
  #scroller;
  #rows;
  #empty;
  #chosen;

  /** `chosen(name)` is called when somebody's name above a message is clicked on. */
  constructor({ scroller, rows, empty, chosen }) {
    this.#scroller = scroller;
    this.#rows = rows;
    this.#empty = empty;
    this.#chosen = chosen;
  }

  /** What was said in the room. */
  addMessage({ from, text }, own) {
    this.#addMessage({ from, text, label: from, author: own ? 'own' : 'other', kind: 'room' });
  }

  /** A private message, at either end. */
  addPrivate({ from, to, text, delivered }, own) {
    const label = !own
      ? `${from}, to you alone`
      : delivered
        ? `To ${to} alone`
        : `${to} is not online: not delivered`;
    const kind = !own || delivered ? 'private' : 'undelivered';
    this.#addMessage({ from: own ? to : from, text, label, author: own ? 'own' : 'other', kind });
  }

  addNotice(text) {
    this.#add(element('li', { class: 'notice', 'data-testid': 'notice' }, text));
  }

  /** Another room has another conversation. What was said privately stays. */
  clearRoom() {
    for (const row of this.#rows.querySelectorAll('.notice, [data-kind="room"]')) row.remove();
    this.#empty.hidden = this.#rows.childElementCount > 0;
  }

  clear() {
    this.#rows.replaceChildren();
    this.#empty.hidden = false;
  }

  /** Changes something, and shows the end afterwards if it was shown before: whoever reads further up is left there. */
  keepEnd(change) {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const atEnd = scrollHeight - clientHeight - scrollTop < END_MARGIN;
    change();
    if (atEnd) this.scrollToEnd();
  }

  scrollToEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** `from` is whom an answer goes to. */
  #addMessage({ from, text, label, author, kind }) {
    const previous = this.#rows.lastElementChild?.dataset;
    const continues = previous?.author === author && previous.from === from && previous.kind === kind;
    const attributes = { 'data-author': author, 'data-kind': kind, 'data-from': from };
    const row = element('li', { class: 'message', 'data-testid': 'message', ...attributes });
    row.append(this.#who(from, label, author, continues));
    row.append(element('span', { class: 'text', 'data-testid': 'message-text' }, text));
    this.#add(row);
  }

  #who(from, label, author, continues) {
    const attributes = { class: continues ? 'visually-hidden' : 'who', 'data-testid': 'message-from' };
    if (continues || author === 'own') return element('span', attributes, label);
    const button = element('button', { ...attributes, type: 'button', title: `Write to ${from} privately` }, label);
    button.addEventListener('click', () => this.#chosen(from));
    return button;
  }

  #add(row) {
    this.keepEnd(() => {
      this.#empty.hidden = true;
      this.#rows.append(row);
      while (this.#rows.childElementCount > ROWS_MAX) this.#rows.firstElementChild.remove();
    });
  }
}
