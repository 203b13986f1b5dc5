// Builds `dist/`; with `--check`, says whether it is what the sources make. Prints sizes.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/// Of the script, compressed with gzip: 5 KB.
export const OCTETS_MAX = 5000;

const root = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

export const gzipped = (file) => gzipSync(readFileSync(file), { level: 9 }).length;

/// Checks the types, and builds both scripts and the declarations.
export async function make(folder) {
  const tsc = [require.resolve("typescript/bin/tsc"), "--project", root];
  execFileSync(process.execPath, [...tsc, "--declaration", "--emitDeclarationOnly", "--outDir", folder], {
    stdio: "inherit",
  });
  removeUnreached(folder);
  const common = { bundle: true, minify: true, target: "es2020", charset: "utf8", legalComments: "none" };
  const banner = { js: "/* tidings-sockjs 0.1.0 | MIT OR Apache-2.0 */" };
  const script = { entryPoints: [path.join(root, "src/global.ts")], format: "iife" };
  const module = { entryPoints: [path.join(root, "src/index.ts")], format: "esm" };
  await build({ ...common, ...script, banner, outfile: path.join(folder, "sockjs.js") });
  await build({ ...common, ...module, banner, outfile: path.join(folder, "sockjs.mjs") });
}

/// Leaves the declarations that those of `index.d.ts` need.
function removeUnreached(folder) {
  const reached = new Set();
  const reach = (name) => {
    if (reached.has(name)) return;
    reached.add(name);
    const text = readFileSync(path.join(folder, name), "utf8");
    for (const [, module] of text.matchAll(/from "(\.[^"]+)\.js"/g)) {
      reach(path.join(path.dirname(name), `${module}.d.ts`));
    }
  };
  reach("index.d.ts");
  for (const name of readdirSync(folder, { recursive: true })) {
    if (name.endsWith(".d.ts") && !reached.has(name)) rmSync(path.join(folder, name));
  }
}

/// The files that are not what they should be.
export async function differences() {
  const fresh = mkdtempSync(path.join(tmpdir(), "tidings-sockjs-"));
  try {
    await make(fresh);
    const list = (folder) => readdirSync(folder, { recursive: true }).filter((name) => /\.(js|mjs|ts)$/.test(name));
    const committed = path.join(root, "dist");
    const names = new Set([...list(fresh), ...list(committed)]);
    const read = (folder, name) => {
      try {
        return readFileSync(path.join(folder, name), "utf8");
      } catch {
        return undefined;
      }
    };
    return [...names].filter((name) => read(fresh, name) !== read(committed, name));
  } finally {
    rmSync(fresh, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--check")) {
    const different = await differences();
    if (different.length > 0) {
      console.error(`dist/ is not what src/ makes; run \`npm run build\` (${different.join(", ")})`);
      process.exit(1);
    }
  } else {
    rmSync(path.join(root, "dist"), { recursive: true, force: true });
    await make(path.join(root, "dist"));
  }
  const ours = gzipped(path.join(root, "dist/sockjs.js"));
  const theirs = gzipped(require.resolve("sockjs-client/dist/sockjs.min.js"));
  console.log(`tidings-sockjs ${ours} octets with gzip, sockjs-client ${theirs}: ${(ours / theirs).toFixed(2)}`);
  if (ours > OCTETS_MAX) {
    console.error(`sockjs.js has more than ${OCTETS_MAX} octets`);
    process.exit(1);
  }
}
