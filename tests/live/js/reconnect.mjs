// Says when it is connected, and each time when it is again; the test restarts the server between.

import assert from "node:assert/strict";
import { connect, end } from "./lib.mjs";

const socket = await connect(process.env.TOPIC, {
  reconnectionDelay: 100,
  reconnectionDelayMax: 500,
});
const { id } = socket;
console.log(`connected ${id}`);
const [reason] = await socket.next("disconnect");
assert.ok(["transport close", "transport error"].includes(reason), reason);
await socket.next("connect");
assert.notEqual(socket.id, id);
assert.equal(await socket.ask("echo", "back"), "back");
end();
