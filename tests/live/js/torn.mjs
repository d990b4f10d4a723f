// The connection of the stock client breaks between the events that it missed and the answer to its
// connect. It keeps these events and passes them on later, but comes back with the offset of before.

import assert from "node:assert/strict";
import net from "node:net";
import { connect, end, transports } from "./lib.mjs";

const { SECOND = process.env.SERVER } = process.env;
const answer = /40\{/;
let tears = 0;
const wires = new Set();
// Who comes back waits here until there is something to be missed.
let gate = Promise.resolve();

const proxy = net.createServer({ pauseOnConnect: true }, async (client) => {
  await gate;
  const server = net.connect(new URL(SECOND).port, "127.0.0.1");
  wires.add(client).add(server);
  client.pipe(server);
  server.on("data", (data) => {
    // A frame has its length before it, two bytes as it is short. A poll's answer breaks off.
    const at = tears ? data.toString("latin1").search(answer) : -1;
    if (at < 0) return client.write(data);
    tears -= 1;
    return client.end(data.subarray(0, at - 2));
  });
  for (const [one, other] of [[client, server], [server, client]]) {
    one.on("error", () => {});
    one.on("close", () => other.destroy());
  }
});
await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));

const quick = { reconnectionDelay: 10, reconnectionDelayMax: 50, forceNew: true };
const speaker = await connect("/", quick);
const name = `torn ${Math.random()}`;
const socket = await connect("/", { ...quick, auth: { name } });
socket.io.uri = `http://127.0.0.1:${proxy.address().port}`;
const heard = [];
socket.on("news", (number) => heard.push(number));
await socket.ask("enter", name);

const numbers = (from, to) => Array.from({ length: to - from }, (_, index) => from + index);
let said = 0;
async function say(many) {
  for (const number of numbers(said, said + many)) await speaker.ask("say", name, "news", number);
  said += many;
}

// Its answers are lost so many times before it is back.
async function back(times) {
  const before = said;
  tears = times;
  let open;
  gate = new Promise((resolve) => (open = resolve));
  socket.io.engine.close();
  await socket.next("disconnect");
  await say(5);
  open();
  await socket.next("connect");
  assert.equal(tears, 0);
  await socket.ask("state");
  const first = numbers(0, said).slice(0, heard.length);
  assert.deepEqual(heard, first, "each once, in order");
  if (socket.recovered) {
    assert.equal(heard.length, said);
  } else {
    assert.ok(times && heard.length >= before);
    for (const number of numbers(heard.length, said)) heard.push(number); // as if fetched
    await socket.ask("enter", name);
  }
  return socket.recovered;
}

await say(2);
assert.equal(await back(0), true);
for (const times of [1, 2]) {
  const recovered = await back(times);
  // A poll's answer arrives whole or not at all. With an upgrade it may be on either.
  if (transports.length === 1) assert.equal(recovered, transports[0] === "polling");
}
assert.equal(await back(0), true);
console.log(`torn over ${transports}`);
end();
proxy.close();
for (const wire of wires) wire.destroy();
