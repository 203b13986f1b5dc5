import { element, part, showStatus } from './dom.js';
import { StompLine } from './stomp-line.js';

const PATH = '/gs-guide-websocket';
const ROOM = /^[a-z0-9-]{1,32}$/;
const NAME_CHARS_MAX = 32;
const ROWS_MAX = 500;
/** How far from the end, in pixels, the conversation still counts as read to the end. */
const END_MARGIN = 48;

/** SockJS tries those of its transports that are named here, best first. */
const TRANSPORTS = {
  automatic: ['websocket', 'xhr-streaming', 'xhr-polling'],
  websocket: ['websocket'],
  'xhr-streaming': ['xhr-streaming'],
  'xhr-polling': ['xhr-polling'],
};

const ui = Object.fromEntries(
  ['chat', 'settings', 'you', 'join-form', 'name', 'room', 'transport', 'form-error', 'join', 'leave', 'room-name',
    'status', 'retry', 'error', 'scroller', 'empty', 'messages', 'say-form', 'text', 'say', 'people',
    'people-count', 'people-empty'].map((name) => [name, part(name)]),
);
const suggested = [...document.querySelectorAll('[data-room]')];

/** Where the user wants to be: `{ name, room, transport }`, or null. */
let place = null;
let line = null;
/** The STOMP client while connected, with the subscription to the room. */
let client = null;
let subscription = null;
/** What was sent and not yet heard. Two people may share a name, so a name alone is no proof of origin. */
let unheard = [];
let countdown = 0;

function connect() {
  line = new StompLine({
    url: PATH,
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
  enterRoom();
  ui.text.focus();
}

function lost({ reason, retryAt }) {
  client = null;
  subscription = null;
  forgetUnheard();
  showPeople([]);
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

function enterRoom() {
  const { room, name } = place;
  subscription = client.subscribe(`/topic/chat/${room}`, (message) => receive(room, message.body));
  send('join', { name });
}

function send(verb, body) {
  client.publish({
    destination: `/app/chat/${place.room}/${verb}`,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

function receive(room, body) {
  if (place?.room !== room) return;
  let event;
  try {
    event = JSON.parse(body);
  } catch {
    return;
  }
  switch (event.kind) {
    case 'message': {
      addMessage(event.from, event.text, authorOf(event));
      break;
    }
    case 'joined': {
      addNotice(`${event.name} is here`);
      showPeople(event.people);
      break;
    }
    case 'left': {
      addNotice(`${event.name} has left`);
      showPeople(event.people);
      break;
    }
  }
}

function authorOf({ from, text }) {
  const index = from === place.name ? unheard.indexOf(text) : -1;
  if (index === -1) return 'other';
  unheard.splice(index, 1);
  return 'own';
}

function forgetUnheard() {
  if (unheard.length > 0) {
    ui.error.textContent = 'Your last message may not have arrived.';
    unheard = [];
  }
}

function join(event) {
  event.preventDefault();
  const wanted = readForm();
  if (!wanted) return;
  const before = place;
  place = wanted;
  rememberInAddress();
  if (before?.room !== wanted.room) clearConversation();
  showPlace();
  // Beside the conversation the settings stay; above it, on a narrow screen, they make room.
  if (!wide.matches) ui.settings.open = false;
  if (client && before.transport === wanted.transport) {
    changePlace(before);
  } else {
    reconnect();
  }
}

/** Another name in the same room is a second join; another room is left first. */
function changePlace(before) {
  if (before.room === place.room) {
    if (before.name !== place.name) send('join', { name: place.name });
  } else {
    subscription.unsubscribe();
    enterRoom();
  }
  ui.text.focus();
}

async function reconnect() {
  stopCountdown();
  client = null;
  subscription = null;
  const ending = line;
  line = null;
  show('connecting', 'Connecting');
  await ending?.close();
  if (place && !line) connect();
}

function leave() {
  if (client) send('leave', {});
  stopCountdown();
  place = null;
  client = null;
  subscription = null;
  unheard = [];
  const ending = line;
  line = null;
  ending?.close();
  ui.error.textContent = '';
  ui.settings.open = true;
  showPlace();
  clearConversation();
  show('disconnected', 'Not connected');
  ui.name.focus();
}

function say(event) {
  event.preventDefault();
  const text = ui.text.value.trim();
  if (!client || text === '') return;
  unheard.push(text);
  send('say', { text });
  ui.text.value = '';
  ui.scroller.scrollTop = ui.scroller.scrollHeight;
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

function showPeople(people) {
  ui.people.replaceChildren(...people.map((name) => {
    const own = name === place?.name;
    return element('li', { 'data-testid': 'person', 'data-author': own ? 'own' : 'other' }, name);
  }));
  ui['people-count'].textContent = people.length > 0 ? `(${people.length})` : '';
  ui['people-empty'].hidden = people.length > 0;
}

function addMessage(from, text, author) {
  const row = element('li', { class: 'message', 'data-testid': 'message', 'data-author': author });
  const previous = ui.messages.lastElementChild;
  const continues = previous?.dataset.author === author && previous?.dataset.from === from;
  row.dataset.from = from;
  const who = element('span', { class: continues ? 'visually-hidden' : 'who', 'data-testid': 'message-from' }, from);
  row.append(who, element('span', { class: 'text', 'data-testid': 'message-text' }, text));
  addRow(row);
}

function addNotice(text) {
  addRow(element('li', { class: 'notice', 'data-testid': 'notice' }, text));
}

function addRow(row) {
  const { scrollTop, scrollHeight, clientHeight } = ui.scroller;
  const atEnd = scrollHeight - clientHeight - scrollTop < END_MARGIN;
  ui.empty.hidden = true;
  ui.messages.append(row);
  while (ui.messages.childElementCount > ROWS_MAX) ui.messages.firstElementChild.remove();
  // Whoever has scrolled back to read is left there.
  if (atEnd) ui.scroller.scrollTop = ui.scroller.scrollHeight;
}

function clearConversation() {
  ui.messages.replaceChildren();
  ui.empty.hidden = false;
  unheard = [];
  showPeople([]);
}

const wide = matchMedia('(min-width: 48rem)');
wide.addEventListener('change', () => { if (wide.matches) ui.settings.open = true; });

ui['join-form'].addEventListener('submit', join);
ui['say-form'].addEventListener('submit', say);
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
