// Node's socket.io with its defaults, for the benchmark: PORT, and REDIS_URL for the Redis adapter.
"use strict";

const { createServer } = require("node:http");
const { Server } = require("socket.io");

const ROOM = "lobby";
const HOUR = 3600 * 1000; // pings would be counted as deliveries

async function adapter() {
  if (!process.env.REDIS_URL) return {};
  const { createAdapter } = require("@socket.io/redis-adapter");
  const { createClient } = require("redis");
  const publisher = createClient({ url: process.env.REDIS_URL });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  return { adapter: createAdapter(publisher, subscriber) };
}

async function main() {
  const http = createServer();
  const io = new Server(http, { pingInterval: HOUR, pingTimeout: HOUR, ...(await adapter()) });
  let left = 0;
  io.on("connection", (socket) => {
    socket.join(ROOM);
    socket.on("fan", (payload) => io.to(ROOM).emit("tick", payload));
    socket.on("echo", (payload, ack) => ack(payload));
    socket.on("left", (ack) => ack(left));
    socket.on("disconnect", () => (left += 1));
  });
  http.listen(Number(process.env.PORT), "127.0.0.1");
}

main();
