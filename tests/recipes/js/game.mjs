// Ada and bob play; the server says where the snakes are.

import assert from "node:assert/strict";
import { connect, end, open } from "../../live/js/lib.mjs";
import { as, nobody } from "./as.mjs";

// The next fields, two at a time, until they are as they should be.
async function until(socket, wanted) {
  socket.waiting("field");
  let [before] = await socket.next("field");
  while (true) {
    const [now] = await socket.next("field");
    if (wanted(now, before)) return now;
    before = now;
  }
}

const ada = await connect("/", as("ada"));
const alone = await until(ada, () => true);
assert.deepEqual(Object.keys(alone), [ada.id]);
assert.equal(alone[ada.id].name, "ada");

const bob = await connect("/", as("bob"));
for (const player of [ada, bob]) {
  await until(player, (field) => ada.id in field && bob.id in field);
}

const step = ([x, y], [fromX, fromY]) => [(x - fromX + 20) % 20, (y - fromY + 20) % 20].join();
const moved = (way) => (now, before) => step(now[bob.id].body[0], before[bob.id].body[0]) === way;
await until(ada, moved("1,0"));
assert.equal(await bob.ask("turn", "up"), null);
await until(ada, moved("0,19"));

assert.equal((await bob.ask("turn", "sideways")).error.code, "bad_arguments");
assert.equal((await bob.ask("grow", 100)).error.code, "unknown_event");
await until(ada, moved("0,19"));

bob.disconnect();
assert.deepEqual(Object.keys(await until(ada, (field) => !(bob.id in field))), [ada.id]);

const [refused] = await open("/", nobody).next("connect_error");
assert.equal(refused.message, "Log in first.");
end();
