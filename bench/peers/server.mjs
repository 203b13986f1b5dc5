// The npm package ws as a server: --kind echo|broadcast [--octets N] [--deflate].
import { parseArgs } from 'node:util';
import { WebSocket, WebSocketServer } from 'ws';

const { values } = parseArgs({
  options: {
    kind: { type: 'string' },
    octets: { type: 'string' },
    deflate: { type: 'boolean', default: false },
  },
});

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  // Else messages shorter than 1 KiB would go uncompressed.
  perMessageDeflate: values.deflate && { threshold: 0 },
});

server.on('connection', (socket) => {
  // The clients reset what they are done with.
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => {
    if (values.kind === 'echo') {
      socket.send(data, { binary: isBinary });
      return;
    }
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary });
    }
  });
});

server.on('listening', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
