// What clients and the server say to each other when all goes well.

import assert from "node:assert/strict";
import { connect, end, transports } from "./lib.mjs";

const topic = process.env.TOPIC;
const room = process.env.ROOM;
const bytes = (...numbers) => Uint8Array.from(numbers).buffer;
// Binary arrives as a Buffer or an ArrayBuffer, whatever was sent: both become text here.
const plain = (value) => {
  if (Buffer.isBuffer(value)) return value.toString("hex");
  if (value instanceof ArrayBuffer) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
};

const ada = await connect(topic, { auth: { rooms: [room] } });
const grace = await connect(topic, { forceNew: true });
assert.equal(ada.io.engine.transport.name, transports.at(-1));

// Path converters, and what a connect handler emits.
const [kwargs, who] = await ada.next("welcome");
assert.deepEqual(kwargs, { topic: topic.replace("/talk/", "") });
assert.equal(who.sid, ada.id);

// Events and acks, both ways.
ada.emit("mirror", 1, "two", { three: [3.5, true, null] }, "läß 🌊");
assert.deepEqual(await ada.next("mirrored"), [1, "two", { three: [3.5, true, null] }, "läß 🌊"]);
assert.deepEqual(await ada.ask("echo", [1, 2]), [1, 2]);
assert.deepEqual(await ada.ask("interview", "why", 42), { answer: ["why", 42] });
assert.deepEqual(await ada.ask("interview in a thread", "why"), { answer: "why" });
assert.equal(await ada.ask("count", 0), null);

// Binary, nested, in events and acks.
const nested = { list: [bytes(0, 1), { deep: bytes(255, 254) }], none: null };
ada.emit("mirror", nested, bytes(7));
assert.deepEqual(plain(await ada.next("mirrored")), plain([nested, bytes(7)]));
assert.deepEqual(plain(await ada.ask("echo", nested)), plain(nested));
assert.deepEqual(plain(await ada.ask("interview", nested)), plain({ answer: nested }));
const large = new Uint8Array(200_000).fill(5).buffer;
assert.deepEqual(plain(await ada.ask("echo", large)), plain(large));

// Rooms, broadcast, skip_self.
await grace.ask("join", room);
await ada.ask("say", room, 1, {});
await ada.ask("say", room, 2, { skip_self: true });
await ada.ask("say", [room, grace.id], 3, {});
await grace.ask("leave", room);
await ada.ask("say", room, 4, {});
await ada.ask("shout", "others", { skip_self: true });
await ada.ask("shout", "end", {});
assert.deepEqual(await ada.next("shouted"), ["end"]);
assert.deepEqual(await grace.next("shouted"), ["others"]);
assert.deepEqual(await grace.next("shouted"), ["end"]);
assert.deepEqual(ada.waiting("said"), [[1], [3], [4]]);
assert.deepEqual(grace.waiting("said"), [[1], [2], [3]]);

// Several namespaces over one connection.
const main = await connect("/");
const other = await connect(`${topic}-2`);
assert.equal(main.io, ada.io);
assert.equal(other.io, ada.io);
assert.equal((await main.ask("who")).namespace, "/");
assert.equal((await other.ask("who")).namespace, `${topic}-2`);

// The order of one socket's events.
for (let number = 0; number < 200; number++) other.emit("count", number);
for (let number = 0; number < 200; number++) {
  assert.deepEqual(await other.next("counted"), [number]);
}
end();
