/** How a connection ended. */
export interface End {
    readonly code: number;
    readonly reason: string;
    /** Whether this end or the server wanted it. */
    readonly wasClean: boolean;
}
/** Whether a close code is of applications' own: the only ones that a page may close with. */
export declare function isApplicationCode(code: number): boolean;
