import type { RequestOptions } from "../options.js";

/** Makes a request with the header fields and the cookies that the page wants. */
export async function request(
  url: string,
  { headers, credentials }: RequestOptions,
  init: RequestInit,
): Promise<Response> {
  const fields = new Headers(typeof headers === "function" ? await headers() : headers);
  // Asks for no preflight, unless the page's own fields do.
  if (init.body) fields.set("Content-Type", "text/plain");
  return fetch(url, { ...init, headers: fields, credentials, cache: "no-store" });
}
