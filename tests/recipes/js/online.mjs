// Ada watches who comes and goes; bob has two tabs. The test knows what the page promises.

import assert from "node:assert/strict";
import { connect, end, open } from "../../live/js/lib.mjs";

const { COOKIE_ADA, COOKIE_BOB } = process.env;
const as = (Cookie) => ({ extraHeaders: { Cookie }, forceNew: true });
const names = (people) => people.map(({ name }) => name);

const ada = await connect("/", as(COOKIE_ADA));
const [room, alone] = await ada.next("presence:state");
assert.deepEqual([room, names(alone)], ["everyone", ["ada"]]);

const bob = await connect("/", as(COOKIE_BOB));
assert.deepEqual(names((await bob.next("presence:state"))[1]).sort(), ["ada", "bob"]);
assert.deepEqual(names((await ada.next("presence:diff"))[1].joined), ["bob"]);
const tab = await connect("/", as(COOKIE_BOB));
await tab.next("presence:state");
tab.disconnect();
bob.disconnect();
const [, gone] = await ada.next("presence:diff");
assert.deepEqual([names(gone.left), gone.joined], [["bob"], []]);

const [refused] = await open("/", { forceNew: true }).next("connect_error");
assert.equal(refused.message, "Log in first.");
end();
