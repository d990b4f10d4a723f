// Figures that were reported before ada came, while she looked, and while she was away.

import assert from "node:assert/strict";
import { connect, end, open } from "../../live/js/lib.mjs";
import { as, nobody } from "./as.mjs";

const report = async (name, value, key = "choose a long one") => {
  const headers = { "X-Report-Key": key };
  const address = `${process.env.SERVER}/figures/${name}/`;
  return (await fetch(address, { method: "POST", headers, body: String(value) })).status;
};
const figure = async () => (await ada.next("figure")).slice(0, 2); // an offset follows

const ada = await connect("/", as("ada", { reconnection: false }));
assert.deepEqual([await figure(), await figure()], [["EUR", 1.08], ["GBP", 0.86]]);

assert.equal(await report("EUR", 9, "a wrong one"), 403);
assert.equal(await report("EUR", "NaN"), 400);
assert.equal(await report("EUR", 1.09), 204);
assert.deepEqual(await figure(), ["EUR", 1.09]);

ada.io.engine.close();
await ada.next("disconnect");
for (const value of [1.1, 1.11, 1.12]) assert.equal(await report("EUR", value), 204);
ada.connect();
await ada.next("connect");
assert.equal(ada.recovered, true);
assert.deepEqual(await figure(), ["EUR", 1.12]);
await report("GBP", 0.9);
assert.deepEqual(await figure(), ["GBP", 0.9]);
assert.deepEqual(ada.waiting("figure"), []);

const [refused] = await open("/", nobody).next("connect_error");
assert.equal(refused.data.code, "forbidden");
end();
