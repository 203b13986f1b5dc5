import { Conversation } from './chat/conversation.js';
import { People } from './chat/people.js';
import { part, showStatus } from './dom.js';
import { StompLine } from './stomp-line.js';

const PATH = '/gs-guide-websocket';
const ROOM = /^[a-z0-9-]{1,32}$/;
const NAME_CHARS_MAX = 32;

/** SockJS tries those of its transports that are named here, best first. */
const TRANSPORTS = {
  automatic: ['websocket', 'xhr-streaming', 'xhr-polling'],
  websocket: ['websocket'],
  'xhr-streaming': ['xhr-streaming'],
  'xhr-polling': ['xhr-polling'],
};

const ui = Object.fromEntries(
  ['chat', 'settings', 'you', 'join-form', 'name', 'room', 'transport', 'form-error', 'join', 'leave', 'room-name',
    'status', 'retry', 'error', 'scroller', 'empty', 'messages', 'say-form', 'recipient', 'recipient-name',
    'to-everybody', 'text', 'say', 'people', 'people-count', 'people-note'].map((name) => [name, part(name)]),
);
const suggested = [...document.querySelectorAll('[data-room]')];

const conversation = new Conversation({
  scroller: ui.scroller, rows: ui.messages, empty: ui.empty, chosen: writeTo,
});
const people = new People({
  list: ui.people,
  count: ui['people-count'],
  note: ui['people-note'],
  events: {
    came: (name) => conversation.addNotice(`${name} is here`),
    left: (name) => conversation.addNotice(`${name} has left`),
    chosen: writeTo,
  },
});

/** Where the user wants to be: `{ name, room, transport }`, or null. */
let place = null;
let line = null;
/** The STOMP client while connected, with the subscriptions to the room. */
let client = null;
let subscriptions = [];
/** Whom messages go to, privately; null for everybody in the room. */
let recipient = null;
/** How many messages the server has not taken yet. */
let untaken = 0;
let countdown = 0;

function connect() {
  line = new StompLine({
    url: PATH,
    login: place.name,
    transports: TRANSPORTS[place.transport],
    events: { connecting, connected, lost, refused },
  });
  line.open();
}

function connecting() {
  stopCountdown();
  show('connecting', 'Connecting');
}

function connected(newClient, transport) {
  client = newClient;
  ui.error.textContent = '';
  show('connected', `Connected over ${transport}`);
  client.subscribe('/user/queue/errors', ({ body }) => {
    ui.error.textContent = `Your message was not sent: ${body}.`;
  });
  client.subscribe('/user/queue/private', ({ body }) => {
    // One that comes while the line is closed was for whoever was here before.
    if (client !== newClient) return;
    const whispered = JSON.parse(body);
    conversation.addPrivate(whispered, whispered.from === place.name);
  });
  enterRoom();
  ui.text.focus();
}

function lost({ reason, retryAt }) {
  client = null;
  subscriptions = [];
  if (untaken > 0) ui.error.textContent = 'Your last message may not have arrived.';
  untaken = 0;
  people.clear();
  const tell = () => {
    const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / 1000));
    show('waiting', `Not connected: ${reason}. Next try in ${seconds} s`);
  };
  tell();
  countdown = setInterval(() => {
    // The line is read out when the connection is lost, not at every second of the countdown.
    ui.status.setAttribute('aria-live', 'off');
    tell();
  }, 1000);
}

function refused(message) {
  ui.error.textContent = `The server reports an error: ${message}.`;
}

function stopCountdown() {
  clearInterval(countdown);
  ui.status.removeAttribute('aria-live');
}

/** Whoever subscribes to the room is in it; so it is told first who is there, with this page. */
function enterRoom() {
  const { room, name } = place;
  const topic = `/topic/chat/rooms/${room}`;
  const here = (hear) => ({ body }) => {
    if (place?.room === room) hear(JSON.parse(body));
  };
  subscriptions = [
    client.subscribe(topic, here((said) => conversation.addMessage(said, said.from === name))),
    client.subscribe(`/presence${topic}`, here((event) => people.hear(event, name))),
  ];
}

function leaveRoom() {
  for (const subscription of subscriptions) subscription.unsubscribe();
  subscriptions = [];
}

/** Sends, and knows by the receipt when the server has taken it. */
function send(destination, body) {
  const receipt = crypto.getRandomValues(new Uint32Array(2)).join('-');
  const by = client;
  untaken += 1;
  by.watchForReceipt(receipt, () => {
    if (by === client) untaken -= 1;
  });
  by.publish({
    destination,
    headers: { 'content-type': 'application/json', receipt },
    body: JSON.stringify(body),
  });
}

function say(event) {
  event.preventDefault();
  const text = ui.text.value.trim();
  if (!client || text === '') return;
  ui.error.textContent = '';
  if (recipient === null) send(`/app/chat/rooms/${place.room}`, { text });
  else send('/app/chat/private', { to: recipient, text });
  ui.text.value = '';
  conversation.scrollToEnd();
}

/** From now on messages go to this user alone, or to everybody again. */
function writeTo(name) {
  recipient = name;
  conversation.keepEnd(() => { ui.recipient.hidden = name === null; });
  ui['recipient-name'].textContent = name === null ? '' : `To ${name} alone`;
  ui.text.placeholder = name === null ? 'Message' : 'Private message';
  ui['say-form'].dataset.kind = name === null ? 'room' : 'private';
  people.choose(name);
  ui.text.focus();
}

function join(event) {
  event.preventDefault();
  const wanted = readForm();
  if (!wanted) return;
  const before = place;
  place = wanted;
  rememberInAddress();
  if (before && before.name !== wanted.name) {
    // What the one before was told is not for the next.
    conversation.clear();
    writeTo(null);
  } else if (before?.room !== wanted.room) {
    conversation.clearRoom();
  }
  showPlace();
  // Beside the conversation the settings stay; above it, on a narrow screen, they make room.
  if (!wide.matches) ui.settings.open = false;
  const sameConnection = before?.name === wanted.name && before.transport === wanted.transport;
  if (!client || !sameConnection) {
    reconnect();
  } else if (before.room !== wanted.room) {
    leaveRoom();
    people.clear();
    enterRoom();
    ui.text.focus();
  }
}

async function reconnect() {
  const ending = forgetConnection();
  show('connecting', 'Connecting');
  await ending?.close();
  if (place && !line) connect();
}

function leave() {
  forgetConnection()?.close();
  place = null;
  conversation.clear();
  writeTo(null);
  ui.error.textContent = '';
  ui.settings.open = true;
  showPlace();
  show('disconnected', 'Not connected');
  ui.name.focus();
}

/** Returns the line, which is still to be closed. */
function forgetConnection() {
  const ending = line;
  stopCountdown();
  line = null;
  client = null;
  subscriptions = [];
  untaken = 0;
  people.clear();
  return ending;
}

/** What the form asks for, or null after showing what is wrong with it. */
function readForm() {
  const name = ui.name.value.trim();
  const room = ui.room.value.trim();
  const wrong = name === '' || [...name].length > NAME_CHARS_MAX
    ? [ui.name, 'A name has 1 to 32 characters.']
    : !ROOM.test(room)
      ? [ui.room, 'A room is named with 1 to 32 of the characters a to z, 0 to 9 and hyphen.']
      : null;
  ui.name.setAttribute('aria-invalid', String(wrong?.[0] === ui.name));
  ui.room.setAttribute('aria-invalid', String(wrong?.[0] === ui.room));
  ui['form-error'].textContent = wrong?.[1] ?? '';
  wrong?.[0].focus();
  return wrong ? null : { name, room, transport: ui.transport.value };
}

/** Lets a reload or a shared link lead to the same room. The name stays out of links. */
function rememberInAddress() {
  const query = new URLSearchParams({ room: place.room });
  if (place.transport !== 'automatic') query.set('transport', place.transport);
  history.replaceState(null, '', `?${query}`);
}

function prefill() {
  const query = new URLSearchParams(location.search);
  ui.name.value = query.get('name') ?? '';
  ui.room.value = query.get('room') ?? 'harbour';
  const transport = query.get('transport');
  ui.transport.value = Object.hasOwn(TRANSPORTS, transport ?? '') ? transport : 'automatic';
  markSuggestion();
}

function show(state, text) {
  showStatus(ui.status, state, text);
  const connected = state === 'connected';
  ui.text.disabled = !connected;
  ui.say.disabled = !connected;
  ui.retry.hidden = state !== 'waiting';
}

/** Shows where the user wants to be, whether or not the connection is there yet. */
function showPlace() {
  ui.chat.dataset.state = place ? 'in' : 'out';
  ui.you.textContent = place ? `You are ${place.name}` : 'You and the room';
  ui['room-name'].textContent = place ? place.room : 'No room yet';
  ui.empty.textContent = place ? 'Nothing has been said yet.' : 'Say who you are, and join a room.';
  ui.join.textContent = place ? 'Change' : 'Join';
  ui.join.classList.toggle('main-action', !place);
  ui.leave.disabled = !place;
}

function markSuggestion() {
  for (const button of suggested) {
    button.setAttribute('aria-pressed', String(button.dataset.room === ui.room.value.trim()));
  }
}

const wide = matchMedia('(min-width: 48rem)');
wide.addEventListener('change', () => { if (wide.matches) ui.settings.open = true; });

ui['join-form'].addEventListener('submit', join);
ui['say-form'].addEventListener('submit', say);
ui['say-form'].addEventListener('keydown', (event) => { if (event.key === 'Escape') writeTo(null); });
ui['to-everybody'].addEventListener('click', () => writeTo(null));
ui.leave.addEventListener('click', leave);
ui.retry.addEventListener('click', () => line?.open());
ui.room.addEventListener('input', markSuggestion);
for (const button of suggested) {
  button.addEventListener('click', () => {
    ui.room.value = button.dataset.room;
    markSuggestion();
    // Once inside, a room is one click away; before that, a name may be missing.
    if (place) ui['join-form'].requestSubmit();
  });
}
addEventListener('online', () => line?.open());
prefill();
