// The AsyncAPI documents, against the schema that AsyncAPI publishes.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { after, before, test } from "node:test";
import specs from "@asyncapi/specs";
import Ajv from "ajv";
import addFormats from "ajv-formats";
import { BINARY, EXAMPLES, Server } from "../support/server.js";

let server, validate;
before(async () => {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats(ajv);
  validate = ajv.compile(specs.schemasWithoutId["3.0.0"]);
  server = await Server.start();
});
after(() => server.stop());

const print = (program, ...args) => JSON.parse(execFileSync(program, args, { encoding: "utf8" }));

function check(document) {
  assert.ok(validate(document), JSON.stringify(validate.errors, null, 1));
  for (const reference of references(document)) resolve(document, reference);
}

/// Every `$ref` leads somewhere, which a schema cannot tell.
function* references(value) {
  if (value === null || typeof value !== "object") return;
  if (typeof value.$ref === "string") yield value.$ref;
  for (const part of Object.values(value)) yield* references(part);
}

function resolve(document, reference) {
  assert.match(reference, /^#\//);
  const found = reference.slice(2).split("/").reduce((part, key) => part?.[key], document);
  assert.notEqual(found, undefined, reference);
}

test("the schema refuses what is no AsyncAPI document", () => {
  const document = print(BINARY, "asyncapi");
  assert.ok(!validate({ ...document, operations: { hello: { action: "greet" } } }));
  assert.throws(() => resolve(document, "#/channels/nowhere"));
});

test("what the command prints is valid, and says where the server is", () => {
  const document = print(BINARY, "asyncapi", "--host", "example.org:8443");
  check(document);
  assert.equal(document.servers.stomp.host, "example.org:8443");
  assert.equal(document.channels["app.hello"].address, "/app/hello");
  assert.equal(document.components.schemas.HelloMessage.properties.name.type, "string");
});

test("what the server serves is the same, under the name that it was called by", async () => {
  const response = await fetch(`http://${server.http}/asyncapi.json`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/json");
  const document = await response.json();
  check(document);
  assert.deepEqual(document, print(BINARY, "asyncapi", "--host", server.http));
  assert.equal((await fetch(`http://${server.http}/asyncapi.json`, { method: "POST" })).status, 405);
});

test("a document with every kind of handler and of endpoint is valid", () => {
  check(print(path.join(EXAMPLES, "asyncapi")));
});
