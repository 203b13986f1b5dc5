// What lies between a browser and a server, and can be cut.

import { on, once } from "node:events";
import net from "node:net";

export class Cable {
  /// To a port of this machine, from one of its own.
  static async lay(port) {
    const cable = new Cable();
    cable.pairs = new Set();
    cable.isDead = false;
    cable.server = net.createServer((near) => cable.#connect(near, net.connect(port, "127.0.0.1")));
    cable.server.listen(0, "127.0.0.1");
    await once(cable.server, "listening");
    cable.port = cable.server.address().port;
    return cable;
  }

  #connect(near, far) {
    const pair = [near, far];
    this.pairs.add(pair);
    for (const end of pair) {
      end.on("error", () => {});
      end.on("close", () => {
        this.pairs.delete(pair);
        for (const socket of pair) socket.destroy();
      });
    }
    near.on("data", (data) => {
      if (this.isDead) return;
      far.write(data);
      const [, path] = /^POST (\S+) HTTP/.exec(data.toString("latin1")) ?? [];
      if (path) this.server.emit("posted", path);
    });
    far.on("data", (data) => this.isDead || near.write(data));
  }

  /// Resolves at the next POST request that goes through to a path with this end.
  async posted(end) {
    for await (const [path] of on(this.server, "posted")) {
      if (path.endsWith(end)) return;
    }
  }

  /// Ends every connection; there may be new ones.
  cut() {
    for (const [near] of [...this.pairs]) near.destroy();
  }

  /// Lets nothing through any more, and tells nobody.
  die() {
    this.isDead = true;
  }

  remove() {
    this.server.close();
    this.cut();
  }
}
