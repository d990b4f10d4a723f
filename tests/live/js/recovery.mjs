// The stock client is cut off in several ways, and says each time that it was recovered.

import assert from "node:assert/strict";
import { connect, end, transports } from "./lib.mjs";

const quick = { reconnectionDelay: 10, reconnectionDelayMax: 50, forceNew: true };
const speaker = await connect("/", quick);
const name = `guest ${Math.random()}`;
const socket = await connect("/", { ...quick, auth: { name } });
const { id } = socket;

const cuts = {
  close: () => socket.io.engine.close(),
  terminate: () => {
    const { ws } = socket.io.engine.transport;
    if (ws) ws.terminate?.() ?? ws.close();
    else socket.io.engine.close();
  },
};

const heard = [];
socket.on("news", (...args) => heard.push(args.slice(0, -1)));
socket.on("flash", () => heard.push("flash"));
let expected = [];

async function say(room, ...args) {
  expected.push(args);
  await speaker.ask("say", room, "news", ...args);
}

// Where there is a second process the client comes back to that, and then to the first one.
let elsewhere = process.env.SECOND;

async function cut(way) {
  if (elsewhere) [socket.io.uri, elsewhere] = [elsewhere, socket.io.uri];
  cuts[way]();
  await socket.next("disconnect");
}

async function back() {
  await socket.next("connect");
  assert.equal(socket.recovered, true);
  assert.equal(socket.id, id);
  await socket.ask("state");
  // One by one: of eighty values that differ somewhere nobody reads a word.
  const [got, wanted] = [heard, expected].map((list) => list.map((value) => JSON.stringify(value)));
  const at = wanted.findIndex((value, index) => value !== got[index]);
  assert.deepEqual(got.slice(at < 0 ? -1 : at, at + 4), wanted.slice(at < 0 ? -1 : at, at + 4));
  assert.equal(got.length, wanted.length);
}

// Before the first event
const room = `room of ${name}`;
await socket.ask("enter", room);
await socket.ask("keep", "colour", "red");
await cut("close");
await say(id, "first");
await back();

// Again and again, with binary values, while new events keep coming
for (const way of ["close", "terminate", "close"]) {
  await say(room, way, 1);
  await speaker.ask("say volatile", room, "flash", "a text at its end");
  await socket.ask("state");
  expected.push("flash");
  const flowing = (async () => {
    for (let n = 0; n < 40; n += 1) await say([room, id], Buffer.from([n]), { n, deep: [Buffer.from("x")] });
  })();
  await cut(way);
  await flowing;
  await back();
}
const [sid, rooms, data] = await socket.ask("state");
assert.deepEqual([sid, rooms, data], [id, ["lobby", room], { colour: "red" }]);

// The application sees none of the protocol's keys, and is told that it is a recovery.
const past = await socket.ask("past", name);
const connects = past.filter(([what]) => what === "connect");
assert.deepEqual(connects.map(([, auth]) => auth), connects.map(() => ({ name })));
assert.deepEqual(connects.map(([, , recovered]) => recovered), connects.map((_, index) => index > 0));
// The speaker's process has heard of those that came to it.
assert.equal(connects.length, process.env.SECOND ? 3 : 5);

// Who leaves for good begins anew.
socket.waiting("connect");
socket.disconnect();
socket.connect();
await socket.next("connect");
assert.ok(!socket.recovered);
assert.notEqual(socket.id, id);
console.log(`recovered over ${transports}`);
end();
