// An event that the client sends again by itself, because its connection breaks at the ack.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { connect, end } from "./lib.mjs";

const { KEY, CUTS } = process.env;
const key = KEY === "random" ? randomUUID() : KEY;
const socket = await connect("/once", {
  retries: 10,
  ackTimeout: 5_000,
  reconnectionDelay: 50,
  reconnectionDelayMax: 200,
});
const sids = new Set([socket.id]);
socket.on("connect", () => sids.add(socket.id));

const order = (order) =>
  new Promise((resolve, reject) =>
    socket.emit("order", order, (error, answer) => (error ? reject(error) : resolve(answer))),
  );

// Two in the queue: the second leaves when the first is answered.
const [first, second] = await Promise.all([
  order({ key, item: "tea" }),
  order({ key: KEY === "random" ? randomUUID() : `${key} again`, item: "milk" }),
]);
assert.equal(first.item, "tea");
assert.equal(second.item, "milk");
assert.equal(sids.size, 1 + Number(CUTS));
assert.notEqual(first.row, second.row);
console.log(JSON.stringify([first.row, second.row]));
end();
