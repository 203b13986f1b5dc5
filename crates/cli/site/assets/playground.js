import { element, part, showStatus, webSocketOrigin } from './dom.js';
import { formatHex, parseHex } from './hex.js';

const ENTRIES_MAX = 500;
/** What of one message the log shows; the size is always that of the whole. */
const SHOWN_CHARS_MAX = 4096;
const SHOWN_OCTETS_MAX = 1024;
/** How far from the end, in pixels, the log still counts as read to the end. */
const END_MARGIN = 48;
/** The payload of a close frame has 125 octets at most, two of them the code. */
const REASON_OCTETS_MAX = 123;

const ARROWS = { in: '↓', out: '↑', none: '·' };
const DIRECTIONS = { in: 'received', out: 'sent', none: 'event' };

const NO_STATUS_RECEIVED = 1005;
const ABNORMAL_CLOSURE = 1006;

/** RFC 6455, 7.4.1, and the registry that it opens. */
const CLOSE_CODES = {
  1000: 'normal closure',
  1001: 'going away',
  1002: 'protocol error',
  1003: 'unsupported data',
  1005: 'no code was given',
  1006: 'abnormal: the connection ended without a close frame',
  1007: 'invalid data, such as text that is not UTF-8',
  1008: 'policy violation',
  1009: 'message too big',
  1010: 'an extension is missing',
  1011: 'internal error of the server',
  1012: 'service restart',
  1013: 'try again later',
  1015: 'TLS handshake failed',
};

const ui = Object.fromEntries(
  ['status', 'open-form', 'address', 'connect', 'address-error', 'close-form', 'close-code', 'close-reason', 'close',
    'close-error', 'send-form', 'kind-text', 'kind-binary', 'message', 'send', 'send-error', 'log', 'log-count', 'clear',
    'empty', 'scroller'].map((name) => [name, part(name)]),
);
const ready = [...document.querySelectorAll('[data-message], [data-octets]')];
const utf8 = new TextEncoder();

let socket = null;
let count = 0;

function connect(event) {
  event.preventDefault();
  fail('address', '');
  const address = ui.address.value.trim();
  try {
    socket = new WebSocket(address);
  } catch {
    fail('address', 'That is not an address of a WebSocket: it begins with ws:// or wss://.');
    return;
  }
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('open', () => {
    record('none', 'open', openDetails());
    show('open', 'Open');
    ui.message.focus();
  });
  socket.addEventListener('message', ({ data }) => recordMessage('in', data));
  socket.addEventListener('error', () => {
    // The reason is kept from scripts, so that a page cannot explore a network with it.
    record('none', 'error', 'The connection failed. Browsers tell the reason in their console only.');
  });
  socket.addEventListener('close', ended);
  record('none', 'connecting', socket.url);
  show('connecting', 'Connecting');
}

function openDetails() {
  const details = [socket.url];
  if (socket.protocol) details.push(`subprotocol ${socket.protocol}`);
  if (socket.extensions) details.push(`extensions ${socket.extensions}`);
  return details.join(', ');
}

function ended({ code, reason, wasClean }) {
  const meaning = CLOSE_CODES[code] ? ` (${CLOSE_CODES[code]})` : '';
  const details = `code ${code}${meaning}, reason ${reason ? `“${reason}”` : 'none'}, wasClean ${wasClean}`;
  const row = record(code === ABNORMAL_CLOSURE ? 'none' : 'in', 'close', details, closeSize(code, reason));
  row.dataset.code = code;
  row.dataset.reason = reason;
  row.dataset.wasClean = wasClean;
  socket = null;
  show('closed', `Closed with code ${code}`);
}

/** The octets of the payload of the close frame; none without a frame. */
function closeSize(code, reason) {
  if (code === ABNORMAL_CLOSURE) return undefined;
  return code === NO_STATUS_RECEIVED ? 0 : 2 + utf8.encode(reason).length;
}

function close(event) {
  event.preventDefault();
  fail('close', '');
  if (!socket) return;
  const codeText = ui['close-code'].value.trim();
  const reason = ui['close-reason'].value;
  const code = codeText === '' ? 1000 : Number(codeText);
  if (code !== 1000 && !(Number.isInteger(code) && code >= 3000 && code <= 4999)) {
    fail('close', 'Browsers send 1000 and 3000 to 4999 only. To see the server send others: “close 1001 bye”.');
    return;
  }
  if (utf8.encode(reason).length > REASON_OCTETS_MAX) {
    fail('close', `A reason has ${REASON_OCTETS_MAX} octets at most.`);
    return;
  }
  if (socket.readyState === WebSocket.CONNECTING) {
    // Nothing can be sent yet: the browser gives the handshake up.
    socket.close();
  } else if (codeText === '' && reason === '') {
    socket.close();
    record('out', 'close', 'no code', 0);
  } else {
    socket.close(code, reason);
    record('out', 'close', `code ${code}, reason ${reason ? `“${reason}”` : 'none'}`, 2 + utf8.encode(reason).length);
  }
  show('closing', 'Closing');
}

function sendForm(event) {
  event.preventDefault();
  if (ui['kind-text'].checked ? sendText(ui.message.value) : sendOctets(ui.message.value)) ui.message.select();
}

function sendText(text) {
  fail('send', '');
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(text);
  recordMessage('out', text);
  return true;
}

function sendOctets(hex) {
  fail('send', '');
  const payload = parseHex(hex);
  if (!payload) {
    fail('send', 'Octets are written as pairs of the digits 0 to 9 and a to f: 00 ff 7f.');
    return false;
  }
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(payload);
  recordMessage('out', payload.buffer);
  return true;
}

function recordMessage(direction, data) {
  if (typeof data === 'string') {
    const shown = data.length > SHOWN_CHARS_MAX ? `${data.slice(0, SHOWN_CHARS_MAX)} … and more` : data;
    record(direction, 'text', shown, utf8.encode(data).length);
  } else {
    const more = data.byteLength > SHOWN_OCTETS_MAX ? ' … and more' : '';
    const shown = new Uint8Array(data, 0, Math.min(data.byteLength, SHOWN_OCTETS_MAX));
    record(direction, 'binary', formatHex(shown) + more, data.byteLength);
  }
}

function record(direction, kind, content, size) {
  const { scrollTop, scrollHeight, clientHeight } = ui.scroller;
  const atEnd = scrollHeight - clientHeight - scrollTop < END_MARGIN;
  const row = element(
    'li',
    { class: 'entry', 'data-testid': 'entry', 'data-kind': kind, 'data-direction': direction },
    element('span', { class: 'direction', 'aria-hidden': 'true' }, ARROWS[direction]),
    element('span', { class: 'kind' }, kind, element('span', { class: 'visually-hidden' }, ` ${DIRECTIONS[direction]}`)),
    element('span', { class: 'size', 'data-testid': 'entry-size' }, octets(size)),
    element('time', { 'data-testid': 'entry-time' }, clock()),
    element('span', { class: 'content', 'data-testid': 'entry-content' }, content === '' ? ' ' : content),
  );
  ui.empty.hidden = true;
  ui.log.append(row);
  while (ui.log.childElementCount > ENTRIES_MAX) ui.log.firstElementChild.remove();
  // Whoever has scrolled back to read is left there.
  if (atEnd) ui.scroller.scrollTop = ui.scroller.scrollHeight;
  count += 1;
  ui['log-count'].textContent = `(${count})`;
  ui.clear.disabled = false;
  return row;
}

function octets(size) {
  if (size === undefined) return '';
  return size === 1 ? '1 octet' : `${size} octets`;
}

function clock() {
  const now = new Date();
  const two = (number) => String(number).padStart(2, '0');
  const ms = String(now.getMilliseconds()).padStart(3, '0');
  return `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}.${ms}`;
}

function clear() {
  ui.log.replaceChildren();
  ui.empty.hidden = false;
  ui.clear.disabled = true;
  ui['log-count'].textContent = '';
  count = 0;
}

function show(state, text) {
  showStatus(ui.status, state, text);
  ui.address.disabled = state !== 'closed';
  ui.connect.disabled = state !== 'closed';
  ui.close.disabled = state !== 'open' && state !== 'connecting';
  ui.send.disabled = state !== 'open';
  for (const button of ready) button.disabled = state !== 'open';
  // The next step is the one that stands out.
  ui.connect.classList.toggle('main-action', state === 'closed');
  ui.send.classList.toggle('main-action', state === 'open');
}

/** Shows below a form what is wrong with it; nothing, when `text` is empty. */
function fail(form, text) {
  const fields = { address: ui.address, close: ui['close-code'], send: ui.message };
  ui[`${form}-error`].textContent = text;
  fields[form].setAttribute('aria-invalid', String(text !== ''));
}

function suggestMessage() {
  fail('send', '');
  ui.message.placeholder = ui['kind-text'].checked ? 'hello' : '00 01 7f 80 ff';
}

ui.address.value = `${webSocketOrigin()}/websocket/8`;
suggestMessage();
ui['open-form'].addEventListener('submit', connect);
ui['close-form'].addEventListener('submit', close);
ui['send-form'].addEventListener('submit', sendForm);
ui.clear.addEventListener('click', clear);
ui['kind-text'].addEventListener('change', suggestMessage);
ui['kind-binary'].addEventListener('change', suggestMessage);
for (const button of ready) {
  button.addEventListener('click', () => {
    if (button.dataset.message) sendText(button.dataset.message);
    else sendOctets(button.dataset.octets);
  });
}
