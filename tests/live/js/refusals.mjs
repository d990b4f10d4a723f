// What clients hear when the server says no, and how both sides see the end.

import assert from "node:assert/strict";
import { connect, end, open } from "./lib.mjs";

const topic = process.env.TOPIC;

const reason = { code: 7, detail: ["a", null] };
const [refusal] = await open(topic, { auth: { refuse: reason }, forceNew: true }).next(
  "connect_error",
);
assert.equal(refusal.message, "not today");
assert.deepEqual(refusal.data, reason);

const watcher = await connect(topic);
for (const name of ["/nowhere", "/talk/a/b"]) {
  const [error] = await open(name).next("connect_error");
  assert.equal(error.message, "Invalid namespace");
  assert.equal(error.data, undefined);
}

assert.deepEqual(await watcher.ask("deny"), {
  error: { code: "forbidden", message: "not for you", data: { level: 3 } },
});
assert.equal((await watcher.ask("pair", 1)).error.code, "bad_arguments");
assert.equal((await watcher.ask("nothing")).error.code, "unknown_event");
assert.deepEqual(await watcher.ask("pair", 1, 2), [1, 2]);

const watched = async () => {
  const socket = await connect(topic, { forceNew: true });
  await watcher.ask("join", `watchers of ${socket.id}`);
  return [socket, socket.id];
};

const [sentAway, first] = await watched();
sentAway.emit("go");
assert.equal((await sentAway.next("disconnect"))[0], "io server disconnect");
assert.deepEqual(await watcher.next("left"), [first, "server namespace disconnect"]);

const [leaver, second] = await watched();
leaver.disconnect();
assert.equal((await leaver.next("disconnect"))[0], "io client disconnect");
assert.deepEqual(await watcher.next("left"), [second, "client namespace disconnect"]);

const [lost, third] = await watched();
lost.io.reconnection(false);
lost.io.engine.close();
assert.equal((await lost.next("disconnect"))[0], "forced close");
assert.deepEqual(await watcher.next("left"), [third, "transport close"]);

// After being sent away a client may come again, and is somebody else.
sentAway.connect();
await sentAway.next("connect");
assert.notEqual(sentAway.id, first);
end();
