// What the declarations allow, and what they do not.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const usage = fileURLToPath(new URL("usage.ts", import.meta.url));

for (const [resolution, module] of [["bundler", "esnext"], ["nodenext", "nodenext"]]) {
  test(`code that uses the declarations compiles, by ${resolution}`, () => {
    const options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom"];
    const args = [tsc, ...options, "--module", module, "--moduleResolution", resolution, usage];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.equal(status, 0, stdout);
  });
}
