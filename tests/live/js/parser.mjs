// The stock msgpack parser with the stock client: what JavaScript sends, and gets back.

import assert from "node:assert/strict";

import parser from "socket.io-msgpack-parser";

import { connect, end } from "./lib.mjs";

const socket = await connect(process.env.TOPIC, { parser });
const date = new Date(1767323045678);
const bytes = (value) => Buffer.from(value).toString("hex");

// A Node server keeps a Date, and hands every kind of bytes on as bytes; undefined is null in Python.
assert.deepEqual(await socket.ask("echo", date), date);
assert.deepEqual(await socket.ask("echo", new Date(-1)), new Date(-1));
assert.equal(await socket.ask("echo", undefined), null);
assert.deepEqual(await socket.ask("echo", { a: [date, { b: undefined }] }), {
  a: [date, { b: null }],
});
for (const size of [0, 1, 2, 4, 7, 8, 9, 16, 300, 70_000]) {
  const array = new Uint8Array(size).fill(size === 8 ? 0 : size);
  for (const sent of [array, array.buffer, Buffer.from(array)]) {
    assert.equal(bytes(await socket.ask("echo", sent)), bytes(array), `${size} bytes`);
    const { nested } = await socket.ask("echo", { nested: [sent, sent] });
    assert.deepEqual(nested.map(bytes), [bytes(array), bytes(array)]);
  }
}
assert.equal(bytes(await socket.ask("echo", new Float64Array([1.5]))), "000000000000f83f");
assert.ok(Number.isNaN(await socket.ask("echo", NaN)));
assert.deepEqual(await socket.ask("types", date, new Uint8Array(8), new ArrayBuffer(1), undefined), [
  "datetime",
  "bytes",
  "bytes",
  "NoneType",
]);
// What Python can't hold costs the event, and not the connection.
const { error } = await socket.ask("echo", new Date(8.64e15));
assert.equal(error.code, "bad_data");
assert.equal(await socket.ask("echo", "still here"), "still here");
end();
