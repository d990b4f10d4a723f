// What a page does with the types of `manage.py realtime schema`. Compiled by tests/live/test_schema.py.

import { io, Socket } from "socket.io-client";
import type {
  Binary,
  ErrorAnswer,
  OrdersShopClientToServerEvents,
  OrdersShopServerToClientEvents,
  Placed,
} from "./events.js";

const shop: Socket<OrdersShopServerToClientEvents, OrdersShopClientToServerEvents> = io("/orders/a");
const order = { id: "1", items: [{ title: "pen", price: "1.20" }], note: null };

// What the server sends
shop.on("placed", (placed) => {
  const state: "new" | "paid" = placed.state;
  // @ts-expect-error - a date travels as text
  const at: Date = placed.at;
});
shop.on("moved", (position: number, size: "s" | "l") => {});
shop.on("label", (label: Binary) => {});
shop.on("confirm", (question, answer) => answer(question === "sure?"));
// @ts-expect-error - it is to be answered with true or false
shop.on("confirm", (question, answer) => answer("yes"));
// @ts-expect-error - the server sends no such event
shop.on("plased", () => {});

// What the server takes
shop.emit("say", "lobby", "hello");
shop.emit("say", "lobby", "hello", (answer: null | ErrorAnswer) => {});
shop.emit("place", order, true, (answer) => {});
shop.emit("add up", 1, 2, 3);
shop.emit("send", { weight: 1 }, (weight) => {});
shop.emit("untyped", { anything: ["goes"] });
shop.emit("name", { name: "a", picture: new Uint8Array(3) }, (answer) => {});
// @ts-expect-error - a text is missing
shop.emit("say", "lobby");
// @ts-expect-error - a number is no text
shop.emit("say", "lobby", 1);
// @ts-expect-error - there is no such size
shop.emit("place", { ...order, items: [{ title: "pen", price: 1, size: "m" }] }, () => {});
// @ts-expect-error - the note is required, if null
shop.emit("place", { id: "1", items: [] }, () => {});
// @ts-expect-error - no handler has this name
shop.emit("plaice", order);

// What it answers
async function answers(): Promise<Placed | undefined> {
  const placed = await shop.emitWithAck("place", order);
  if ("error" in placed) {
    for (const { path, message } of placed.error.errors ?? []) console.log(path.join("."), message);
    return undefined;
  }
  // @ts-expect-error - an order has no such attribute
  placed.number;
  const again: Placed | ErrorAnswer = await shop.emitWithAck("place", order, true);
  const weight: number | ErrorAnswer = await shop.emitWithAck("send", { weight: 1, tags: ["a"] });
  // @ts-expect-error - an error has to be thought of
  const heavy: number = await shop.emitWithAck("send", { weight: 1 });
  // @ts-expect-error - the parcel is missing
  await shop.emitWithAck("send");
  return placed;
}
