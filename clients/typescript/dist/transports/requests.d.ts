import type { RequestOptions } from "../options.js";
/** Makes a request with the header fields and the cookies that the page wants. */
export declare function request(url: string, { headers, credentials }: RequestOptions, init: RequestInit): Promise<Response>;
