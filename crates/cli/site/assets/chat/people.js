import { element } from '../dom.js';

/**
 * Who is in a room, as the presence of its topic tells it: sessions, of which a user may have several.
 *
 * `list`, `count` and `note` are elements. `events` hears `came(name)` and `left(name)` of the others, and
 * `chosen(name)` when one of them is clicked on.
 */
export class People {
  #list;
  #count;
  #note;
  #events;
  /** Who this page is. */
  #own = '';
  /** The user of each session; null for those who have not logged in. */
  #sessions = new Map();
  /** The rows of the list. They stay as long as their users, so that a focused one keeps the focus. */
  #rows = new Map();
  #chosen = null;

  constructor({ list, count, note, events }) {
    this.#list = list;
    this.#count = count;
    this.#note = note;
    this.#events = events;
  }

  /** Forgets everybody: nobody tells any longer who is there. */
  clear() {
    this.#sessions.clear();
    this.#show();
    this.#note.textContent = 'You will see it once you are in.';
  }

  /** Takes a message of `/presence/…`; `own` is who this page is. */
  hear({ event, count, members }, own) {
    this.#own = own;
    const users = new Map(members?.map(({ session, user }) => [session, user ?? null]));
    switch (event) {
      case 'present': {
        this.#sessions = users;
        break;
      }
      case 'join': {
        const before = this.#names();
        for (const [session, user] of users) this.#sessions.set(session, user);
        this.#tell(without(this.#names(), before), this.#events.came);
        break;
      }
      case 'leave': {
        const before = this.#names();
        for (const session of users.keys()) this.#sessions.delete(session);
        this.#tell(without(before, this.#names()), this.#events.left);
        break;
      }
      case 'count': {
        this.#sessions.clear();
        break;
      }
    }
    this.#show();
    if (event === 'count') this.#note.textContent = `${count} are here, too many to name.`;
  }

  /** Marks whom private messages go to, or nobody. */
  choose(name) {
    this.#chosen = name;
    for (const [user, row] of this.#rows) mark(row, user === name);
  }

  #names() {
    return new Set([...this.#sessions.values()].filter((user) => user !== null));
  }

  #tell(names, event) {
    for (const name of names) if (name !== this.#own) event(name);
  }

  #show() {
    const names = this.#names();
    for (const [name, row] of this.#rows) {
      if (names.has(name) && (row.dataset.author === 'own') === (name === this.#own)) continue;
      row.remove();
      this.#rows.delete(name);
    }
    const sorted = [...names].sort((a, b) => a.localeCompare(b));
    for (const [index, name] of sorted.entries()) {
      const row = this.#rows.get(name) ?? this.#newRow(name);
      const there = this.#list.children[index] ?? null;
      if (there !== row) this.#list.insertBefore(row, there);
    }
    const unnamed = [...this.#sessions.values()].filter((user) => user === null).length;
    this.#count.textContent = names.size > 0 ? `(${names.size})` : '';
    this.#note.textContent = [
      names.size > 1 ? 'Click on a name to write privately.' : '',
      names.size === 1 ? 'Nobody else yet.' : '',
      unnamed > 0 ? `${unnamed} without a name.` : '',
    ].join(' ').trim();
  }

  #newRow(name) {
    const own = name === this.#own;
    const row = element('li', { 'data-testid': 'person', 'data-author': own ? 'own' : 'other' });
    if (own) {
      row.append(element('span', { class: 'name' }, name), element('span', { class: 'soft' }, '(you)'));
    } else {
      const title = `Write to ${name} privately`;
      const button = element('button', { class: 'name', type: 'button', title }, name);
      button.addEventListener('click', () => this.#events.chosen(name));
      row.append(button);
      mark(row, name === this.#chosen);
    }
    this.#rows.set(name, row);
    return row;
  }
}

function without(names, others) {
  return [...names].filter((name) => !others.has(name));
}

function mark(row, isChosen) {
  row.querySelector('button')?.setAttribute('aria-pressed', String(isChosen));
}
