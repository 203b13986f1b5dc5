/** How a connection ended. */
export interface End {
  readonly code: number;
  readonly reason: string;
  /** Whether this end or the server wanted it. */
  readonly wasClean: boolean;
}

/** Whether a close code is of applications' own: the only ones that a page may close with. */
export function isApplicationCode(code: number): boolean {
  return code === 1000 || (code >= 3000 && code <= 4999);
}
