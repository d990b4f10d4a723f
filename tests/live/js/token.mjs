// A client that says with a token who it is, and gets a new one when that has expired.

import assert from "node:assert/strict";
import { connect, end, open } from "./lib.mjs";

const { SERVER, NAME } = process.env;
const account = "/account";

async function tokenOf(kind, age = 600) {
  const response = await fetch(`${SERVER}/make-token/`, {
    method: "POST",
    body: JSON.stringify({ event: kind, args: [NAME, age] }),
  });
  return (await response.json()).token;
}

for (const kind of ["signed", "jwt", "drf"]) {
  const token = await tokenOf(kind);
  for (const options of [
    { auth: { token } },
    { auth: (cb) => cb({ token }) },
    { extraHeaders: { Authorization: `Bearer ${token}` } },
    { query: { token } },
  ]) {
    const socket = await connect(account, { forceNew: true, ...options });
    assert.equal(await socket.ask("who"), NAME);
    socket.disconnect();
  }
}

const nobody = await connect(account, { forceNew: true });
assert.equal(await nobody.ask("who"), "");

const refused = async (token) => {
  const socket = open(account, { forceNew: true, auth: { token } });
  const [error] = await socket.next("connect_error");
  return [socket, error.message, error.data];
};
for (const token of ["garbage", "rt1.x:y", "ey.ey.x", 7, { a: [] }]) {
  const [, message, data] = await refused(token);
  assert.deepEqual([message, data], ["Invalid token.", { code: "invalid_token" }]);
}

// A page that finds its token too old gets another one, and connects again.
const [late, message, data] = await refused(await tokenOf("signed", -1));
assert.deepEqual([message, data], ["This token has expired.", { code: "token_expired" }]);
assert.equal(late.active, false);
late.auth = { token: await tokenOf("signed") };
late.connect();
await late.next("connect");
assert.equal(await late.ask("who"), NAME);

// Or it is asked for one before each connect: then nothing has to be done when one expires.
let asked = 0;
const lasting = await connect(account, {
  forceNew: true,
  reconnectionDelay: 100,
  auth: async (cb) => cb({ token: await tokenOf("jwt", asked++ ? 600 : 3) }),
});
assert.equal(await lasting.ask("who"), NAME);
const { id } = lasting;
const [reason] = await lasting.next("disconnect");
assert.equal(reason, "transport close");
assert.equal(lasting.active, true);
await lasting.next("connect");
assert.notEqual(lasting.id, id);
assert.equal(asked, 2);
assert.equal(await lasting.ask("who"), NAME);
end();
