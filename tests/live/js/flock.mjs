// Many stock clients with the stock's own way to come back; says how they are when it is asked.

import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const { SERVER, TOPIC, CLIENTS, TRANSPORTS } = process.env;
const sockets = [];
const reasons = {};
const counts = { disconnects: 0, gaps: 0, ticks: 0 };

for (let number = 0; number < Number(CLIENTS); number += 1) {
  const socket = io(SERVER + TOPIC, { transports: TRANSPORTS.split(","), forceNew: true });
  let last = null;
  socket.on("disconnect", (reason) => {
    counts.disconnects += 1;
    reasons[reason] = (reasons[reason] ?? 0) + 1;
    last = null;
  });
  // While a client is connected it hears every tick.
  socket.on("tick", (tick) => {
    if (last !== null && tick !== last + 1) counts.gaps += 1;
    last = tick;
    counts.ticks += 1;
  });
  sockets.push(socket);
}

createInterface({ input: process.stdin }).on("line", () => {
  const connected = sockets.filter((socket) => socket.connected).length;
  console.log(JSON.stringify({ connected, ...counts, reasons }));
});
