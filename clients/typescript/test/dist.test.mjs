// What is committed under `dist/`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { OCTETS_MAX, differences, gzipped } from "../build.mjs";

test("what is committed is what the sources make", async () => {
  assert.deepEqual(await differences(), []);
});

test("the script for pages is small", () => {
  const octets = gzipped(fileURLToPath(new URL("../dist/sockjs.js", import.meta.url)));
  assert.ok(octets <= OCTETS_MAX, `${octets} octets`);
});
