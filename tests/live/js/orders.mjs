// The stock client against handlers whose arguments are checked: what is accepted and what refused.

import assert from "node:assert/strict";
import { connect, end } from "./lib.mjs";

const shop = await connect("/orders/books");

async function refused(event, ...args) {
  const { error } = await shop.ask(event, ...args);
  assert.equal(error.code, "bad_arguments");
  return error.errors.map(({ path, code }) => [path.join("."), code]);
}

const id = "0e8b4f3a-6f0c-4f6e-9d0a-3d1b2f4a5c6d";
const items = [{ title: "pen", price: "1.20", size: "l", parts: [{ title: "cap", price: 0.2 }] }];
const placed = await shop.ask("place", { id, items, wanted: "2026-12-24", note: null });
// Text in JSON, a Date in msgpack.
const at = new Date(placed.at).toISOString();
assert.deepEqual({ ...placed, at }, { id: 1, at: "2026-11-25T10:00:00.000Z", state: "new" });
assert.equal((await shop.next("placed"))[0].id, 1);
const wrong = [{ title: 7, price: "free", parts: [{ title: "cap", price: 1, count: 0 }] }];
assert.deepEqual(await refused("place", { id: "no", items: wrong, wanted: "soon" }), [
  ["order.id", "format"],
  ["order.items.0.title", "type"],
  ["order.items.0.price", "format"],
  ["order.items.0.parts.0.count", "min_value"],
  ["order.wanted", "format"],
  ["order.note", "required"],
]);

assert.equal(await shop.ask("add up", 1, 2.5), 3.5);
assert.deepEqual(await refused("add up", 1, "2", true), [
  ["numbers.1", "type"],
  ["numbers.2", "type"],
]);

const label = Uint8Array.of(1, 2, 3).buffer;
const moved = await shop.ask("move", { street: "Main", zip: 1, label });
// A Buffer in Node, a Uint8Array where msgpack decoded it.
assert.deepEqual([...new Uint8Array(moved.label)], [1, 2, 3]);
assert.deepEqual({ ...moved, label }, { street: "Main", zip: 1, label });
assert.deepEqual(await refused("move", { street: "M", zip: -1 }), [
  ["address.street", "string_too_short"],
  ["address.zip", "greater_than"],
]);
assert.equal(await shop.ask("send", { weight: 1.5, tags: ["a"] }), 1.5);
assert.deepEqual(await refused("send", { weight: 1, tags: ["a", 2] }), [["parcel.tags.1", "invalid"]]);

assert.deepEqual(await shop.ask("name", { name: "new", picture: label }), { new: 3 });
assert.deepEqual(await refused("name", { name: "ada" }), [["form.name", "taken"]]);
assert.deepEqual(await refused("name", ["ada"]), [["form", "type"]]);
assert.deepEqual(await shop.ask("order", { lines: [{ title: "a" }], buyer: "ada" }), ["a"]);
assert.deepEqual(await refused("order", { lines: [{ title: "a" }, { count: 0 }], buyer: "eve" }), [
  ["order.lines.1.title", "required"],
  ["order.lines.1.count", "min_value"],
  ["order.buyer", "does_not_exist"],
]);

// A rule that has a bug costs its event, and nothing else.
assert.equal((await shop.ask("name", { name: "bug" })).error.code, "internal");
assert.deepEqual(await shop.ask("pair", "still here"), "still here");
end();
