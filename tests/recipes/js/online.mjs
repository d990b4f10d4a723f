// Ada watches bob, who comes with two tabs and leaves.

import assert from "node:assert/strict";
import { connect, end, open } from "../../live/js/lib.mjs";
import { as, nobody } from "./as.mjs";

const names = (people) => people.map(({ name }) => name);

const ada = await connect("/", as("ada"));
const [room, alone] = await ada.next("presence:state");
assert.deepEqual([room, names(alone)], ["everyone", ["ada"]]);

const bob = await connect("/", as("bob"));
assert.deepEqual(names((await bob.next("presence:state"))[1]).sort(), ["ada", "bob"]);
assert.deepEqual(names((await ada.next("presence:diff"))[1].joined), ["bob"]);
const tab = await connect("/", as("bob"));
await tab.next("presence:state");
tab.disconnect();
bob.disconnect();
const [, gone] = await ada.next("presence:diff");
assert.deepEqual([names(gone.left), gone.joined], [["bob"], []]);

const [refused] = await open("/", nobody).next("connect_error");
assert.equal(refused.message, "Log in first.");
end();
