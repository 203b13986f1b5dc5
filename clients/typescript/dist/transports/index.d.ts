import type { Info } from "../info.js";
import type { OpenTransport } from "./transport.js";
export type TransportName = "websocket" | "xhr-streaming" | "eventsource" | "xhr-polling" | "websocket-raw";
interface Row {
    readonly name: TransportName;
    readonly open: OpenTransport;
    /** Whether the browser has what it takes. */
    readonly isThere: () => boolean;
    /** Whether it can carry header fields of the user's. */
    readonly carriesHeaders: boolean;
}
/** Those to be tried: the wanted ones, or all that carry what the user wants and every server has. */
export declare function usableTransports(wanted: string | readonly string[] | undefined, hasHeaders: boolean): Row[];
/** Whether the server has it, as far as it tells. */
export declare function isOffered({ name }: Row, { websocket, transports }: Info): boolean;
export type { Row as TransportRow };
