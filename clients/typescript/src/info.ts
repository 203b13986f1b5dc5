/** What `/info` tells of a service, as far as a client is concerned, and how far away it is. */
export interface Info {
  readonly websocket: boolean;
  readonly baseUrl: string | undefined;
  /** Milliseconds. */
  readonly roundTrip: number;
}

/** How long the answer may take, in milliseconds. */
const TIMEOUT = 8000;

/** Asks; rejects unless the answer has status 200. */
export async function fetchInfo(url: string, init: RequestInit, signal: AbortSignal): Promise<Info> {
  const timeout = new AbortController();
  const abort = (): void => timeout.abort();
  signal.addEventListener("abort", abort);
  const timer = setTimeout(abort, TIMEOUT);
  try {
    const since = Date.now();
    const response = await fetch(url, { ...init, signal: timeout.signal });
    const roundTrip = Date.now() - since;
    if (response.status !== 200) throw new Error(`http status ${response.status}`);
    const text = await response.text();
    return { ...parse(text), roundTrip };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

/** What cannot be read says nothing. */
function parse(json: string): Omit<Info, "roundTrip"> {
  let told: { websocket?: unknown; base_url?: unknown } | null = null;
  try {
    told = JSON.parse(json);
  } catch {
    // As `{}`.
  }
  const baseUrl = typeof told?.base_url === "string" ? told.base_url || undefined : undefined;
  return { websocket: told?.websocket !== false, baseUrl };
}

/** Milliseconds that a transport has to open: it takes two round trips. */
export function openTimeout(roundTrip: number, floor: number): number {
  const retransmission = roundTrip > 100 ? 4 * roundTrip : roundTrip + 300;
  return Math.max(2 * retransmission, floor);
}
