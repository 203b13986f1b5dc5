import { element, part, showStatus, webSocketOrigin } from './dom.js';
import { textOfHtml } from './html-text.js';

const PATH = '/gs-guide-websocket';
const ANSWER_TIMEOUT_MS = 10_000;
const CONNECTION_TIMEOUT_MS = 10_000;
const GREETINGS_MAX = 100;

const { Client } = globalThis.StompJs;

const ui = Object.fromEntries(
  ['status', 'connect', 'disconnect', 'form', 'name', 'send', 'error', 'empty', 'greetings']
    .map((name) => [name, part(name)]),
);

/** What was sent and not yet answered, oldest first: `{ expected, row, timer }`. */
const waiting = [];
let client = null;

function show(state, text) {
  showStatus(ui.status, state, text);
  ui.connect.disabled = state !== 'disconnected';
  ui.disconnect.disabled = state === 'disconnected';
  const connected = state === 'connected';
  ui.name.disabled = !connected;
  ui.send.disabled = !connected;
  ui.name.placeholder = connected ? 'Ann' : 'Connect first';
  // The next step is the one that stands out.
  ui.connect.classList.toggle('main-action', !connected);
  ui.send.classList.toggle('main-action', connected);
}

function connect() {
  ui.error.textContent = '';
  show('connecting', 'Connecting');
  let opened = false;
  const attempt = new Client({
    brokerURL: webSocketOrigin() + PATH,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    reconnectDelay: 0,
  });
  attempt.onConnect = (frame) => {
    opened = true;
    attempt.subscribe('/topic/greetings', (message) => receive(message.body));
    show('connected', `Connected, STOMP ${frame.headers.version ?? '1.0'}`);
    ui.name.focus();
  };
  attempt.onStompError = (frame) => {
    ui.error.textContent = `The server reports an error: ${frame.headers.message ?? 'no details'}.`;
  };
  attempt.onWebSocketClose = (event) => {
    if (client !== attempt) return;
    client = null;
    attempt.deactivate();
    giveUpWaiting('No answer: the connection ended.');
    show('disconnected', 'Not connected');
    if (ui.error.textContent) return;
    const why = event?.reason ? `${event.reason} (${event.code})` : `code ${event?.code ?? 'unknown'}`;
    ui.error.textContent = opened
      ? `The connection was lost: ${why}.`
      : `The server could not be reached at ${webSocketOrigin()}${PATH}.`;
  };
  client = attempt;
  attempt.activate();
}

function disconnect() {
  const ending = client;
  client = null;
  ui.error.textContent = '';
  giveUpWaiting('No answer: you disconnected.');
  show('disconnected', 'Not connected');
  ui.connect.focus();
  ending?.deactivate();
}

function send(event) {
  event.preventDefault();
  const name = ui.name.value.trim();
  if (!client?.connected || name === '') return;
  client.publish({
    destination: '/app/hello',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  });
  const row = addRow('waiting', `Waiting for the answer to ${name}`);
  const entry = { expected: `Hello, ${name}!`, row };
  entry.timer = setTimeout(() => {
    waiting.splice(waiting.indexOf(entry), 1);
    fillRow(row, 'unanswered', `No answer to ${name}.`);
  }, ANSWER_TIMEOUT_MS);
  waiting.push(entry);
  ui.name.select();
}

function receive(body) {
  let content;
  try {
    content = textOfHtml(JSON.parse(body).content);
  } catch {
    ui.error.textContent = 'A greeting arrived that this page does not understand.';
    return;
  }
  const index = waiting.findIndex((entry) => entry.expected === content);
  if (index === -1) {
    addRow('arrived', content);
  } else {
    const [{ row, timer }] = waiting.splice(index, 1);
    clearTimeout(timer);
    fillRow(row, 'arrived', content);
  }
}

function giveUpWaiting(text) {
  for (const { row, timer } of waiting.splice(0)) {
    clearTimeout(timer);
    fillRow(row, 'unanswered', text);
  }
}

function addRow(state, text) {
  const row = element('li', { class: 'greeting', 'data-testid': 'greeting' });
  fillRow(row, state, text);
  ui.empty.hidden = true;
  ui.greetings.prepend(row);
  while (ui.greetings.childElementCount > GREETINGS_MAX) ui.greetings.lastElementChild.remove();
  return row;
}

function fillRow(row, state, text) {
  row.dataset.state = state;
  const children = [element('strong', {}, text)];
  if (state === 'arrived') children.push(element('span', {}, new Date().toLocaleTimeString()));
  row.replaceChildren(...children);
}

ui.connect.addEventListener('click', connect);
ui.disconnect.addEventListener('click', disconnect);
ui.form.addEventListener('submit', send);
