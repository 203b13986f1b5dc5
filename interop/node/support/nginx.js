// nginx in front of a server, configured as the documentation says.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { within } from "./server.js";

const DOCUMENTATION = fileURLToPath(new URL("../../../docs/nginx.md", import.meta.url));

export class Nginx {
  /// In front of the server at `upstream`. `change` makes another configuration of the documented one.
  static async start(upstream, change = (site) => site) {
    const nginx = new Nginx();
    nginx.folder = await mkdtemp(path.join(os.tmpdir(), "tidings-nginx-"));
    // Its workers are somebody else, who buffers requests there.
    await chmod(nginx.folder, 0o755);
    nginx.port = await freePort();
    const documented = (await readFile(DOCUMENTATION, "utf8")).match(/```nginx\n(.*?)```/s)[1];
    const site = change(documented)
      .replace("listen 80;", `listen 127.0.0.1:${nginx.port};`)
      .replace("http://127.0.0.1:8080;", `http://${upstream};`);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((kind) => `${kind}_temp_path ${nginx.folder}/${kind};`)
      .join("\n");
    const config = `daemon off; pid ${nginx.folder}/pid; error_log stderr;
      events {}
      http { access_log off; ${temporary}\n${site} }`;
    const file = path.join(nginx.folder, "nginx.conf");
    await writeFile(file, config);
    nginx.process = spawn("/usr/sbin/nginx", ["-c", file, "-p", nginx.folder]);
    nginx.output = "";
    nginx.process.stderr.setEncoding("utf8").on("data", (text) => (nginx.output += text));
    await within(nginx.#listening(), "nginx listens");
    return nginx;
  }

  async #listening() {
    while (this.process.exitCode === null) {
      const socket = net.connect(this.port, "127.0.0.1");
      const connected = await Promise.race([
        once(socket, "connect").then(() => true),
        once(socket, "error").then(() => false),
      ]).catch(() => false);
      socket.destroy();
      if (connected) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`nginx does not start: ${this.output}`);
  }

  async stop() {
    this.process.kill("SIGTERM");
    await within(once(this.process, "exit"), "nginx stops");
    await rm(this.folder, { recursive: true });
  }
}

/// A port that was free a moment ago: nginx cannot be asked to choose one.
async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
