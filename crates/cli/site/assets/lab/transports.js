import { Htmlfile, Jsonp } from './comet.js';
import { LongPolling, Polling, ServerSentEvents, Streaming } from './plain.js';
import { PlainWebSocket, SockJsTransport } from './sockets.js';

/** The pages in frames that a transport needs, below its row. */
const IFRAME = 'sockjs/iframe.html';
const HTMLFILE = 'sockjs/000/frame/htmlfile?c=_';

/**
 * Every transport that a browser has. `kind` is how the server's messages come: an answer to each question
 * (`polling`), an answer that waits for one (`waiting`), one that goes on (`streaming`), or a `socket`.
 * `start(url, settings, heard)` makes one that is not started yet.
 */
export const TRANSPORTS = [
  plain('polling', 'Polling', 'polling', Polling, 'asks at an interval'),
  plain('long-polling', 'Long polling', 'waiting', LongPolling, 'asks, and is made to wait'),
  plain('jsonp', 'JSONP', 'waiting', Jsonp, 'long polling by script elements'),
  plain('streaming', 'HTTP streaming', 'streaming', Streaming, 'one response that goes on'),
  plain('eventsource', 'EventSource', 'streaming', ServerSentEvents, 'the same, as Server-Sent Events'),
  plain('htmlfile', 'htmlfile', 'streaming', Htmlfile, 'a frame that goes on loading'),
  sockjs('xhr-polling', 'waiting'),
  sockjs('iframe-xhr-polling', 'waiting'),
  sockjs('jsonp-polling', 'waiting'),
  sockjs('xhr-streaming', 'streaming'),
  sockjs('eventsource', 'streaming'),
  sockjs('iframe-eventsource', 'streaming'),
  sockjs('htmlfile', 'streaming'),
  sockjs('iframe-htmlfile', 'streaming'),
  sockjs('websocket', 'socket'),
  plain('websocket', 'WebSocket', 'socket', PlainWebSocket, 'one connection, both ways', 'WebSocket'),
];

/** Those that the quiet minute watches: they may be open at once, as browsers open six connections. */
export const QUIET = ['polling', 'long-polling', 'streaming', 'eventsource', 'websocket'];

function framesOf(name) {
  return [name.includes('iframe') && IFRAME, name.includes('htmlfile') && HTMLFILE].filter(Boolean);
}

function plain(name, label, kind, Transport, about, group = 'Without a library') {
  return { name, label, kind, about, group, frames: framesOf(name), start: (...given) => new Transport(...given) };
}

function sockjs(transport, kind) {
  return {
    name: `sockjs-${transport}`,
    label: `SockJS ${transport}`,
    kind,
    about: transport.startsWith('iframe') ? 'in a frame of its own' : '',
    group: 'SockJS',
    frames: framesOf(transport),
    start: (...given) => new SockJsTransport(transport, ...given),
  };
}
