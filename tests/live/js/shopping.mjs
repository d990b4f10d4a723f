// Two members of a list and a stranger, with tokens, on two processes.
import assert from "node:assert/strict";
import { io } from "socket.io-client";

const [first, second] = process.env.URLS.split(" ");

async function member(url, username, transport) {
  const body = new URLSearchParams({ username, password: "secret" });
  const { token } = await (await fetch(`${url}/token/`, { method: "POST", body })).json();
  const socket = io(`${url}/lists`, { auth: { token }, transports: [transport] });
  socket.log = [];
  socket.onAny((name, ...args) => name.startsWith("presence:") || socket.log.push([name, ...args]));
  await new Promise((done, failed) => socket.on("connect", done).on("connect_error", failed));
  return [socket, await socket.emitWithAck("room:join", "lists.7")];
}

const [ada, hers] = await member(first, "ada", "websocket");
const [phone] = await member(second, "ada", "websocket");
const [bob, his] = await member(second, "bob", "polling");
const [, foreign] = await member(second, "eve", "websocket");
assert.equal(hers.room, "lists.7");
assert.equal(his.room, "lists.7");
assert.equal(foreign.error.code, "forbidden");

const garbage = io(`${first}/lists`, { auth: { token: "garbage" }, forceNew: true });
const refused = await new Promise((done) => garbage.on("connect_error", done));
assert.equal(refused.data.code, "invalid_token");

const heard = new Promise((done) => ada.on("item:created", done));
const id = await bob.emitWithAck("add", 7, "milk");
assert.deepEqual(await heard, { id, title: "milk", bought: false });
assert.equal((await bob.emitWithAck("add", 7, "")).error.code, "bad_arguments");

const left = new Promise((done) => bob.on("room:left", (...args) => done(args)));
console.log("ready"); // the project's tests run now, and then bob is removed
const [room, { code }] = await left;
assert.deepEqual([room, code], ["lists.7", "forbidden"]);
const last = new Promise((done) => phone.on("item:created", done));
await ada.emitWithAck("add", 7, "for ada only");
assert.equal((await last).title, "for ada only");
// On the phone's process; the answer comes behind whatever there was to say before it.
assert.equal((await bob.emitWithAck("room:join", "lists.7")).error.code, "forbidden");
const titles = ({ log }) => log.map(([name, item]) => `${name} ${item.title}`);
assert.deepEqual(titles(ada), ["item:created milk"]); // not what she added herself
assert.deepEqual(titles(phone), ["item:created milk", "item:created for ada only"]);
assert.deepEqual(bob.log.map(([name]) => name), ["room:left"]);
process.exit(0);
