// Emits to the room each time a line comes in, from a process without a server.
"use strict";

const { Emitter } = require("@socket.io/redis-emitter");
const { createClient } = require("redis");
const { createInterface } = require("node:readline");

async function main() {
  const client = createClient({ url: process.env.REDIS_URL });
  await client.connect();
  const emitter = new Emitter(client);
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => emitter.to("lobby").emit("tick", JSON.parse(line)));
  lines.on("close", () => process.exit(0));
  console.log("ready");
}

main();
