// Two tabs of bob's, and ada, who is told nothing. The test sends him one when it is asked.

import assert from "node:assert/strict";
import { connect, end, open } from "../../live/js/lib.mjs";
import { as, nobody } from "./as.mjs";

const [one, two] = [await connect("/", as("bob")), await connect("/", as("bob"))];
const ada = await connect("/", as("ada"));

// One that came while nobody was there.
const inbox = await one.ask("inbox");
assert.deepEqual([inbox.unread, inbox.newest.map(({ text }) => text)], [1, ["missed"]]);

console.log("send");
for (const tab of [one, two]) {
  const [{ text, read }] = await tab.next("notification:created");
  assert.deepEqual({ text, read }, { text: "seen at once", read: false });
  assert.equal((await tab.ask("inbox")).unread, 2);
}

const { id } = inbox.newest[0];
assert.equal((await ada.ask("read", id)).error.code, "not_found");
assert.equal((await one.ask("read", "first")).error.code, "bad_arguments");
assert.equal((await one.ask("read", 2 ** 53)).error.code, "not_found");
assert.equal(await one.ask("read", id), null);
for (const tab of [one, two]) {
  assert.equal((await tab.next("notification:updated"))[0].id, id);
  assert.equal((await tab.ask("inbox")).unread, 1);
}
assert.deepEqual(await ada.ask("inbox"), { newest: [], unread: 0 });
assert.deepEqual(ada.waiting("notification:created"), []);

const [refused] = await open("/", nobody).next("connect_error");
assert.equal(refused.message, "Log in first.");
end();
