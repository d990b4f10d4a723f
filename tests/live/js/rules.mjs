// The stock client in a room that it joined by a rule, until it may no longer be there. The test reads
// what is printed, and changes what the rule reads.

import assert from "node:assert/strict";
import { connect, end } from "./lib.mjs";

const { LIST } = process.env;
const room = `lists.${LIST}`;
const socket = await connect("/lists");
const code = async (event, name) => (await socket.ask(event, name)).error.code;

assert.equal(await code("room:join", "lists.0"), "forbidden");
assert.equal(await code("room:join", "elsewhere"), "unknown_room");
assert.equal(await code("room:join", 7), "bad_arguments");
assert.equal(await code("room:join", "broken"), "internal");
assert.equal((await socket.ask("rename", 1, "x")).error.code, "forbidden");

const joined = await socket.ask("room:join", room);
assert.equal(joined.room, room);
assert(joined.present.some(({ name }) => name === "ada"));
assert.equal((await socket.next("presence:state"))[0], room);
console.log("joined");
assert.deepEqual(await socket.next("to the instance"), [1]);
assert.deepEqual(await socket.next("to the name"), [2]);
console.log("heard");

const [name, why] = await socket.next("room:left");
assert.equal(name, room);
assert.deepEqual(why, { code: "forbidden", message: "You may no longer be in this room." });
assert.equal(await code("room:join", room), "forbidden");
console.log("out");
assert.deepEqual(await socket.next("disconnect").then(([reason]) => reason), "io server disconnect");
assert.deepEqual(socket.waiting("to the instance"), []);
socket.connect();
const [refused] = await socket.next("connect_error");
assert.deepEqual([refused.message, refused.data], ["You are banned.", { code: "banned" }]);
end();
