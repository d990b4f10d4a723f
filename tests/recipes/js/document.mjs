// Two clients of Yjs that write at once, and a third one that comes later.

import assert from "node:assert/strict";
import * as Y from "yjs";
import { connect, end, open } from "../../live/js/lib.mjs";
import { as, nobody } from "./as.mjs";

const RETRIES = { retries: Infinity, ackTimeout: 10_000 };

// What the page does, without its text area.
async function writer(name, id) {
  const socket = await connect("/documents/notes", as(name, RETRIES));
  const doc = new Y.Doc();
  if (id) doc.clientID = id;
  const receive = (data) => Y.applyUpdate(doc, new Uint8Array(data), socket);
  const sync = async () => receive(await socket.emitWithAck("sync"));
  await sync();
  socket.on("connect", sync);
  socket.on("update", receive);
  doc.on("update", (data, origin) => {
    if (origin !== socket) socket.emit("update", data);
  });
  return { socket, doc, text: doc.getText("text") };
}

async function until({ doc, text }, wanted) {
  while (!wanted(text.toString())) await new Promise((resolve) => doc.once("update", resolve));
}

// Letter by letter, both at the beginning, each without waiting for the other.
function write({ text }, word) {
  [...word].forEach((letter, place) => text.insert(place, letter));
}

const [ada, bob] = [await writer("ada", 7), await writer("bob")];
write(ada, "adas");
write(bob, "bobs");
const both = (text) => text.length === 8;
await Promise.all([until(ada, both), until(bob, both)]);
assert.equal(ada.text.toString(), bob.text.toString());
assert.match(ada.text.toString(), /adas/);
assert.match(ada.text.toString(), /bobs/);

// Both write while bob has no connection.
bob.socket.io.engine.close();
await bob.socket.next("disconnect");
bob.text.delete(0, 8);
write(bob, "in a tunnel");
ada.text.insert(8, "!");
// Neither came first, so that either order is right, as long as it is one.
const merged = (text) => ["in a tunnel!", "!in a tunnel"].includes(text);
await Promise.all([until(ada, merged), until(bob, merged)]);
assert.equal(ada.text.toString(), bob.text.toString());

// A letter as the parent of a letter: well-formed, and impossible once the first is there.
const impossible = Buffer.from([1, 1, 8, 0, 4, 0, 7, 0, 1, 120, 0]);
assert.equal(await ada.socket.ask("update", impossible), null);

const late = await writer("ada");
assert.equal(late.text.toString(), ada.text.toString());
for (const garbage of [Buffer.from("garbage"), "no bytes"]) {
  const { code } = (await ada.socket.ask("update", garbage)).error;
  assert.equal(code, typeof garbage === "string" ? "bad_arguments" : "bad_update");
}
const [stranger] = await open("/documents/notes", as("eve")).next("connect_error");
assert.equal(stranger.data.code, "forbidden");
const [refused] = await open("/documents/notes", nobody).next("connect_error");
assert.equal(refused.message, "Log in first.");
console.log(late.text.toString());
end();
