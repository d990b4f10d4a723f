// The page's module as a phone runs it. The test has tokens expire after three seconds.

import assert from "node:assert/strict";

const { SERVER, MODULE, PASSWORD } = process.env;
const { connect, logIn } = await import(MODULE);
const heard = (socket, name) => new Promise((resolve) => socket.once(name, resolve));

assert.equal(await logIn(SERVER, "ada", "wrong"), null);
// What else a request has is no argument of an authentication backend.
const fields = { username: "ada", password: "wrong", remote_user: "ada", request: "" };
const body = new URLSearchParams(fields);
assert.equal((await fetch(`${SERVER}/phone/login/`, { method: "POST", body })).status, 403);
const kept = await logIn(SERVER, "ada", PASSWORD);

let loggedOut;
const end = new Promise((resolve) => (loggedOut = resolve));
const socket = connect(SERVER, kept, loggedOut);
await heard(socket, "connect");
const news = heard(socket, "news");
await fetch(`${SERVER}/publish/?title=Hello`);
assert.deepEqual(await news, { title: "Hello" });

// The token expires, and the next one is there at once.
let refusals = 0;
socket.on("connect_error", () => (refusals += 1));
assert.equal(await heard(socket, "disconnect"), "transport close");
await heard(socket, "connect");
assert.equal(refusals, 0);

// With a clock that stands still the phone shows one that has expired, and is told.
const now = Date.now();
Date.now = () => now;
const [{ data }] = await Promise.all([heard(socket, "connect_error"), heard(socket, "disconnect")]);
assert.equal(data.code, "token_expired");
await heard(socket, "connect");

console.log("here");
await end;
assert.equal(socket.active, false);
