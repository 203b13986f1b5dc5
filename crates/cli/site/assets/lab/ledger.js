/** Where the server counts what requests come to: docs/lab.md says what and how. */
const RUNS = '/lab/runs';

/** An answer that says no. */
export class Refused extends Error {
  constructor(status, text) {
    super(text.trim() || `status ${status}`);
    this.status = status;
  }
}

/** The answer to a request, unless it is a refusal. */
export async function ask(url, options = {}) {
  const response = await fetch(url, { cache: 'no-store', ...options });
  if (!response.ok) throw new Refused(response.status, (await response.text()).slice(0, 200));
  return response;
}

/** One run: a name that cannot be guessed, and a tally for each of its rows. */
export class Ledger {
  #run;

  static async begin() {
    const ledger = new Ledger();
    const { run } = await (await ask(RUNS, { method: 'POST' })).json();
    ledger.#run = `${RUNS}/${run}`;
    return ledger;
  }

  /** Where the resources of a row are. */
  url(row) {
    return `${location.origin}${this.#run}/${row}`;
  }

  /** The tallies of all rows. */
  async read() {
    return (await (await ask(this.#run)).json()).rows;
  }

  /** Has the server end whatever it still has to say on the plain resources of a row. */
  endRow(row) {
    return ask(this.url(row), { method: 'DELETE' });
  }

  end() {
    return ask(this.#run, { method: 'DELETE', keepalive: true });
  }
}
