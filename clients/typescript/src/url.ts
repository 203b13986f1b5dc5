import { failure } from "./failure.js";

/** Where a service is. Paths go before the query, which goes with every request. */
export class ServiceUrl {
  private constructor(
    private readonly base: string,
    private readonly query: string,
  ) {}

  /** Throws what `sockjs-client` throws. */
  static parse(text: string, page: Location | undefined): ServiceUrl {
    let url: URL;
    try {
      url = new URL(text, page?.href);
    } catch {
      throw new SyntaxError(`The URL '${text}' is invalid`);
    }
    if (url.protocol !== "http:" && url.protocol !== "https:") {
      throw new SyntaxError(
        `The URL's scheme must be either 'http:' or 'https:'. '${url.protocol}' is not allowed.`,
      );
    }
    if (text.includes("#")) throw new SyntaxError("The URL must not contain a fragment");
    if (page?.protocol === "https:" && url.protocol === "http:" && !isLoopback(url.hostname)) {
      throw failure(
        "SecurityError",
        "An insecure SockJS connection may not be initiated from a page loaded over HTTPS",
      );
    }
    return ServiceUrl.of(url);
  }

  private static of(url: URL): ServiceUrl {
    return new ServiceUrl(url.origin + url.pathname.replace(/\/+$/, ""), url.search);
  }

  /** The service that `/info` names instead of this one. Within its origin, a query goes along unless there is another. */
  join(reference: string): ServiceUrl {
    const url = new URL(reference, this.base);
    if (url.origin === new URL(this.base).origin) url.search ||= this.query;
    return ServiceUrl.of(url);
  }

  beneath(path: string): string {
    return this.base + path + this.query;
  }

  toString(): string {
    return this.beneath("");
  }
}

function isLoopback(host: string): boolean {
  return /^127(\.\d+){3}$/.test(host) || host === "[::1]";
}

/** The URL of a session that nobody has, and nobody guesses. */
export function sessionPath(
  server: string | undefined,
  session: number | (() => string) | undefined,
): string {
  const id = typeof session === "function" ? session() : random(session || 8);
  return `/${server ?? String(Number(random(8, "0123456789")) % 1000).padStart(3, "0")}/${id}`;
}

/** Of 32 characters or 10, so that a remainder is as good as a number. */
function random(length: number, alphabet = "abcdefghijklmnopqrstuvwxyz012345"): string {
  const octets = crypto.getRandomValues(new Uint8Array(length));
  return Array.from(octets, (octet) => alphabet[octet % alphabet.length]).join("");
}
