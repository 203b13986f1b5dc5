/** An error as browsers throw it, whose message begins with its name as that of `sockjs-client` does. */
export function failure(name: string, text: string): DOMException {
  return new DOMException(`${name}: ${text}`, name);
}
