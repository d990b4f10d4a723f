// A page of a site that is at a path: the stock build for browsers, and our script behind it.

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { runInThisContext } from "node:vm";

const { SERVER, SCRIPT, SITE_PATH } = process.env;
const require = createRequire(import.meta.url);
const { protocol, host, hostname, port } = new URL(SERVER);

globalThis.window = globalThis;
globalThis.location = { protocol, host, hostname, port };
globalThis.document = { currentScript: { dataset: { path: SITE_PATH } } };
globalThis.WebSocket ??= require("ws");
globalThis.XMLHttpRequest ??= require("xmlhttprequest-ssl").XMLHttpRequest;
const folder = require.resolve("socket.io-client/package.json").replace("package.json", "dist/");
const stock = (window.io = require(`${folder}socket.io.min.js`));
runInThisContext(readFileSync(SCRIPT, "utf8"));
assert.notEqual(window.io, stock);
assert.equal(io.protocol, stock.protocol);
assert.equal(io.Socket, stock.Socket);

const pathOf = (...args) => {
  const socket = io(...args);
  const { path } = socket.io.opts;
  socket.disconnect();
  return path;
};
const quiet = { autoConnect: false, forceNew: true };
const ours = [[quiet], [undefined, quiet], ["/chat", quiet], [SERVER, quiet], [host, quiet]];
ours.push([`${SERVER}/chat`, quiet], [`//${host}`, quiet], [`ws://${host}/chat`, quiet]);
for (const args of ours) assert.equal(pathOf(...args), SITE_PATH, args);
const others = ["http://example.com", "//example.com/chat", "example.com", "wss://example.com"];
for (const uri of others) assert.equal(pathOf(uri, quiet), "/socket.io", uri);
assert.equal(pathOf("/chat", { ...quiet, path: "/own/" }), "/own/");

async function connects(socket) {
  await new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  });
  socket.disconnect();
}

await connects(io());
await connects(io("/talk/a", { transports: ["websocket"] }));
await connects(io.connect({ forceNew: true, transports: ["polling"] }));
await connects(new io.Manager({ transports: ["websocket"] }).socket("/"));
console.log("connected");
process.exit(0);
