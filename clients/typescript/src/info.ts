import type { RequestOptions } from "./options.js";
import { request } from "./transports/requests.js";

/** What `/info` tells of a service, as far as a client is concerned, and how far away it is. */
export interface Info {
  readonly websocket: boolean;
  readonly cookieNeeded: boolean;
  /** The names of the transports that are on; older servers do not tell. */
  readonly transports: readonly unknown[] | undefined;
  readonly baseUrl: string | undefined;
  /** Milliseconds. */
  readonly roundTrip: number;
}

/** Of a service that was not asked. */
export const UNKNOWN: Info = {
  websocket: true,
  cookieNeeded: false,
  transports: undefined,
  baseUrl: undefined,
  roundTrip: 0,
};

/** Asks; rejects unless the answer has status 200. */
export async function fetchInfo(
  url: string,
  options: RequestOptions,
  signal: AbortSignal,
): Promise<Info> {
  const since = performance.now();
  const response = await request(url, options, { signal });
  const roundTrip = performance.now() - since;
  if (response.status !== 200) throw new Error(`http status ${response.status}`);
  return { ...parse(await response.text()), roundTrip };
}

/** What cannot be read says nothing. */
function parse(json: string): Info {
  let told: Record<string, unknown> | null = null;
  try {
    told = JSON.parse(json);
  } catch {
    // As `{}`.
  }
  const { websocket, cookie_needed, transports, base_url } = told ?? {};
  return {
    ...UNKNOWN,
    websocket: websocket !== false,
    cookieNeeded: cookie_needed === true,
    transports: Array.isArray(transports) ? transports : undefined,
    baseUrl: typeof base_url === "string" ? base_url || undefined : undefined,
  };
}

/** Milliseconds that a transport has to open: it takes two round trips. */
export function openTimeout(roundTrip: number, floor: number): number {
  const retransmission = roundTrip > 100 ? 4 * roundTrip : roundTrip + 300;
  return Math.max(2 * retransmission, floor);
}
