// The bundled site, and a directory in its place, over HTTP.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { Raw, Server } from "../support/server.js";

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

const get = (path, options) => fetch(`http://${server.http}${path}`, options);

test("every page and what it links to is there", async () => {
  for (const page of ["/", "/greetings/", "/chat/", "/playground/", "/lab/"]) {
    const response = await get(page);
    assert.equal(response.status, 200, page);
    assert.match(response.headers.get("content-type"), /^text\/html/);
    const html = await response.text();
    for (const [, link] of html.matchAll(/(?:src|href)="(\/[^"#]*)"/g)) {
      assert.equal((await get(link)).status, 200, `${link} of ${page}`);
    }
  }
});

test("an entity tag saves sending a page again", async () => {
  const first = await get("/");
  const etag = first.headers.get("etag");
  assert.match(etag, /^(W\/)?".+"$/);
  const again = await get("/", { headers: { "if-none-match": etag } });
  assert.equal(again.status, 304);
  assert.equal(await again.text(), "");
  const changed = await get("/", { headers: { "if-none-match": '"another"' } });
  assert.equal(changed.status, 200);
});

test("HEAD has the headers alone", async () => {
  const head = await get("/", { method: "HEAD" });
  const whole = await get("/");
  assert.equal(head.status, 200);
  assert.equal(head.headers.get("content-length"), whole.headers.get("content-length"));
  assert.equal(await head.text(), "");
});

test("what is not there is 404, and nothing outside is there", async () => {
  assert.equal((await get("/nothing")).status, 404);
  for (const target of ["/../Cargo.toml", "/..%2fCargo.toml", "/%2e%2e/Cargo.toml", "/a/..%5c..%5cx"]) {
    const raw = await Raw.connect(server.httpPort);
    raw.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    assert.match(await raw.toEnd(), /^HTTP\/1\.1 4\d\d /, target);
  }
});

test("--www serves a directory instead", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "tidings-www-"));
  await writeFile(path.join(folder, "index.html"), "<h1>mine</h1>");
  const own = await Server.start("--www", folder);
  const page = await fetch(`http://${own.http}/`);
  assert.equal(await page.text(), "<h1>mine</h1>");
  const etag = page.headers.get("etag") ?? page.headers.get("last-modified");
  assert.ok(etag, "it can be validated");
  assert.equal((await fetch(`http://${own.http}/chat/`)).status, 404);
  await own.stop();
  await rm(folder, { recursive: true });
});
