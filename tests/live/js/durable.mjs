// Durable events, of which the client drops those that it has had: `once` is that of docs/durable.md.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, end } from "./lib.mjs";

const page = readFileSync(new URL("../../../docs/durable.md", import.meta.url), "utf8");
const [, code] = page.match(/^```js\n(const seen[^]*?^}\n)/m);
const once = new Function(`${code}; return once`)();

const { ROOM, N } = process.env;
const socket = await connect("/", { auth: { rooms: [ROOM] } });
const numbers = [];
const done = new Promise((resolve) => socket.on("end", resolve));
socket.on("durable", once((room, number) => numbers.push(number)));
console.log("listening");
await done;
assert.deepEqual(numbers, [...Array(Number(N)).keys()]);
const all = socket.waiting("durable");
console.log(JSON.stringify({ heard: all.length, keys: new Set(all.map((args) => args[2].durable)).size }));
end();
