// Gets what a room said before it came, the newest price alone, and after a broken connection what
// it missed. The test sets the room.

import assert from "node:assert/strict";
import { end, open } from "./lib.mjs";

const { ROOM } = process.env;
const speaker = open("/told", { auth: { name: "speaker" }, forceNew: true });
await speaker.next("connect");
for (let number = 0; number < 5; number++) await speaker.ask("say", ROOM, "news", number);
for (let price = 0; price < 3; price++) await speaker.ask("set", ROOM, "ACME", "price", price, 0);

const options = { auth: { name: ROOM, rooms: { [ROOM]: 2 } }, reconnectionDelay: 300 };
const socket = open("/told", { ...options, forceNew: true });
let order = [];
for (const event of ["connect", "news", "price"]) {
  socket.on(event, (value) => order.push(value === undefined ? event : `${event} ${value}`));
}
await socket.next("connect");
await socket.ask("state");
assert.deepEqual(order, ["connect", "news 3", "news 4", "price 2"]);
assert.equal(socket.recovered, false);

// The network breaks, and the room goes on.
order = [];
socket.io.engine.close();
await socket.next("disconnect");
for (let price = 3; price < 9; price++) {
  await speaker.ask("set", ROOM, "ACME", "price", price, 0);
}
await speaker.ask("say", ROOM, "news", 5);
await socket.next("connect");
await socket.ask("state");
assert.equal(socket.recovered, true);
assert.deepEqual(order.filter((said) => said !== "connect"), ["price 8", "news 5"]);
end();
