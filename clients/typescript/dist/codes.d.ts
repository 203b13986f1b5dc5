/** Whether a close code is of applications' own: the only ones that a page may close with. */
export declare function isApplicationCode(code: number): boolean;
