// Bob sees ada move, and who comes later sees where she stopped.

import assert from "node:assert/strict";
import { connect, end, open } from "../../live/js/lib.mjs";
import { as, nobody } from "./as.mjs";

const ada = await connect("/", as("ada"));
const bob = await connect("/", as("bob"));
// With recovery, an offset follows the arguments.
const position = async (socket) => (await socket.next("position")).slice(0, 3);
const code = async (...args) => (await ada.ask("move", ...args)).error.code;

assert.equal(await code(1000, 0, true), "bad_arguments");
assert.equal(await code(1, "far", true), "bad_arguments");
assert.equal(await code(1, 2), "bad_arguments");

let seen = [];
while (!seen.length) {
  await ada.ask("move", 10, 20, false); // it may be dropped
  seen = bob.waiting("position");
}
assert.deepEqual(seen[0].slice(0, 3), ["ada", 10, 20]);

await ada.ask("move", 30.5, 40, true);
while (true) {
  const [who, x, y] = await position(bob);
  assert.equal(who, "ada");
  if (x === 30.5 && y === 40) break;
}
await bob.ask("move", 1, 2, true);

// Whose connection ends on the way stays where they were last, for those who come later.
let tab = await connect("/", as("ada"));
await tab.ask("move", 70, 80, false);
tab.disconnect();
while (true) {
  const [who, x, y] = await position(bob);
  if (who === "ada" && x === 70 && y === 80) break;
}
for (let kept = false; !kept; ) {
  tab = await connect("/", as("bob"));
  kept = [await position(tab), await position(tab)].some(([, x, y]) => x === 70 && y === 80);
}

await ada.ask("move", 30.5, 40, true);
await bob.ask("move", 1, 2, true);
const late = await connect("/", as("bob"));
assert.deepEqual([await position(late), await position(late)], [["ada", 30.5, 40], ["bob", 1, 2]]);

const [refused] = await open("/", nobody).next("connect_error");
assert.equal(refused.message, "Log in first.");
end();
