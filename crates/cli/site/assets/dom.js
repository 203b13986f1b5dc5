/** The element of this page whose `data-testid` is `name`. */
export function part(name) {
  const found = document.querySelector(`[data-testid="${name}"]`);
  if (!found) throw new Error(`no element ${name}`);
  return found;
}

/**
 * A new element. What is given as a child string becomes text, never markup: this and `textContent`
 * are the only ways in which these pages show what others have sent.
 */
export function element(tag, attributes = {}, ...children) {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) created.setAttribute(name, value);
  created.append(...children);
  return created;
}

/** Shows a state in a `.status` line; the state also chooses its colour. */
export function showStatus(line, state, text) {
  line.dataset.state = state;
  line.textContent = text;
}

/** The origin of this server for WebSockets: `wss` where the page came over TLS. */
export function webSocketOrigin() {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}`;
}
