// What the stock client may send of its own accord: one bad event, retries, events in "connect".

import assert from "node:assert/strict";

import { connect, end, open } from "./lib.mjs";

const socket = await connect(process.env.TOPIC);
const many = Array.from({ length: 12 }, (_, number) => Buffer.from([number]));
const { error } = await socket.ask("echo", ...many);
assert.equal(error.code, "bad_data");
assert.match(error.message, /12 binary values in one event; at most 10/);
assert.equal(await socket.ask("echo", "still here"), "still here");

// After the client's own test "should not emit a packet twice in the 'connect' handler": an ack that
// is late, because an upgrade is under way, would be taken for lost.
const patient = open(process.env.TOPIC, { retries: 3, ackTimeout: 10_000, forceNew: true });
const sent = [];
patient.io.engine.on("packetCreate", ({ type, data }) => {
  if (type === "message" && String(data).startsWith("2")) sent.push(data);
});
const answers = [];
patient.emit("echo", "first", (_, value) => answers.push(value));
await new Promise((resolve) => {
  patient.once("connect", () => {
    patient.emit("echo", "second", (_, value) => answers.push(value));
    patient.emit("echo", "third", (_, value) => resolve(answers.push(value)));
  });
});
assert.deepEqual(answers, ["first", "second", "third"]);
assert.equal(sent.length, 3, sent.join(" "));
end();
