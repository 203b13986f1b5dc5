/** Where a service is. Paths go before the query, which goes with every request. */
export declare class ServiceUrl {
    private readonly base;
    private readonly query;
    private constructor();
    /** Throws what `sockjs-client` throws. */
    static parse(text: string, page: Location | undefined): ServiceUrl;
    private static of;
    /** The service that `/info` names instead of this one. */
    join(reference: string): ServiceUrl;
    beneath(path: string): string;
    toString(): string;
}
/** The URL of a session that nobody has, and nobody guesses. */
export declare function sessionPath(server: string | undefined, session: number | (() => string) | undefined): string;
