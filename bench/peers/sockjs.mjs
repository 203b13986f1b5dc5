// The npm package sockjs as a server, with `/echo` and `/broadcast`.
import http from 'node:http';
import sockjs from 'sockjs';

const server = http.createServer();
const serve = (prefix, onConnection) => {
  const service = sockjs.createServer({ log: () => {} });
  service.on('connection', (connection) => connection && onConnection(connection));
  service.installHandlers(server, { prefix });
};

serve('/echo', (connection) => connection.on('data', (message) => connection.write(message)));

const connections = new Set();
serve('/broadcast', (connection) => {
  connections.add(connection);
  connection.on('close', () => connections.delete(connection));
  connection.on('data', (message) => {
    for (const receiver of connections) receiver.write(message);
  });
});

server.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
