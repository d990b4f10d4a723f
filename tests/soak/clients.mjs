// Stock clients that note all they get, and speak; the driver tells them when to stop, by lines.
//
// "quiet": say no more, and answer when every ack has come or is given up.
// "end {room: [emitter, number]}": wait until each client has those of its rooms; write all and end.

import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const { GATES, NAMESPACE, SEED, RATE, OUTPUT } = process.env;
const clientRooms = JSON.parse(process.env.ROOMS);
const allRooms = [...new Set(clientRooms.flat())];
const gates = GATES.split(",");
const BOTH = ["polling", "websocket"];
// Nobody keeps polls of one session together, so that most are relayed, which costs the most.
const TRANSPORTS = [["websocket"], BOTH, ["websocket"], BOTH, ["websocket"], BOTH, ["websocket"], ["polling"]];
const ACK_WITHIN = 15_000;
const PATIENCE = 90_000;
const LOOK_EVERY = 50;

const random = mulberry32(Number(SEED));
const emissions = [];
const clients = clientRooms.map(open);
let speaking = true;
let underway = 0;

function open(rooms, number) {
  const client = { name: `client ${number}`, rooms, log: [], had: new Set(), blinks: 0, numbers: 0 };
  client.socket = io(gates[(number + Math.floor(number / gates.length)) % gates.length] + NAMESPACE, {
    transports: TRANSPORTS[number % TRANSPORTS.length],
    forceNew: true,
    auth: { client: client.name, rooms },
    reconnectionDelay: 100,
    reconnectionDelayMax: 1_500,
    timeout: 5_000,
  });
  const note = (kind, ...values) => client.log.push([kind, now(), ...values]);
  const { socket } = client;
  const begin = () => (client.since = now());
  socket.on("connect", () => {
    if (!socket.recovered) begin();
    note("connect", socket.recovered, socket.id);
  });
  socket.on("disconnect", (reason) => {
    note("disconnect", reason);
    // After this reason the client does not come back by itself.
    if (reason === "io server disconnect") socket.connect();
  });
  socket.on("connect_error", (error) => {
    note("connect_error", error.message);
    if (!socket.active) setTimeout(() => socket.connect(), 500);
  });
  socket.on("resync", () => {
    begin();
    note("resync");
  });
  socket.on("fault", (text) => note("fault", text));
  socket.on("said", (emitter, number, ...more) => {
    client.had.add(`${emitter} ${number}`);
    note("said", emitter, number, more.at(-1));
  });
  socket.on("blinked", () => (client.blinks += 1));
  return client;
}

// Each client in turn says something, in one room, two of them, or to everybody.
async function speak(client) {
  client.numbers += 1;
  const number = client.numbers;
  const emitter = `consumer of ${client.name}`;
  const to = whom();
  const start = now();
  let certain = false;
  client.busy = true;
  underway += 1;
  try {
    const told = client.socket.timeout(ACK_WITHIN);
    const answer = await told.emitWithAck("say", to, emitter, number, ...something());
    certain = !answer?.error;
  } catch {
    // No ack came in time.
  }
  underway -= 1;
  client.busy = false;
  emissions.push([emitter, number, to, start, now(), certain]);
}

function whom() {
  const room = () => allRooms[Math.floor(random() * allRooms.length)];
  const kind = random();
  if (kind < 0.03) return null;
  return kind < 0.13 ? [room(), room()] : room();
}

function something() {
  const kind = random();
  if (kind < 0.1) return [Buffer.alloc(100 + Math.floor(random() * 2_000), 7)];
  return kind < 0.3 ? ["x".repeat(Math.floor(random() * 500))] : [];
}

function again() {
  if (!speaking) return;
  const client = clients[Math.floor(random() * clients.length)];
  if (client.socket.connected && !client.busy) {
    // One that is volatile ends in a text, which must not be taken for an offset.
    if (random() < 0.1) client.socket.emit("blink", whom(), client.name, "a text");
    else speak(client);
  }
  setTimeout(again, (2_000 * random()) / Number(RATE));
}

// Who began anew after the last words were said can't have them.
function haveAll(sentinels, end) {
  return clients.every(
    ({ socket, rooms, had, since }) =>
      socket.connected && (since > end || rooms.every((room) => had.has(sentinels[room].join(" ")))),
  );
}

async function until(condition) {
  const end = now() + PATIENCE / 1_000;
  while (!condition() && now() < end) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
  return condition();
}

function now() {
  return Date.now() / 1_000;
}

function mulberry32(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const orders = {
  async quiet() {
    speaking = false;
    await until(() => underway === 0);
    console.log("quiet");
  },
  async end(argument) {
    const [sentinels, end] = [JSON.parse(argument), now()];
    const complete = await until(() => haveAll(sentinels, end));
    const told = clients.map(({ name, rooms, log, blinks }) => ({ name, rooms, log, blinks }));
    writeFileSync(OUTPUT, JSON.stringify({ complete, emissions, clients: told }));
    for (const { socket } of clients) socket.disconnect();
    console.log("ended");
    process.exit(0);
  },
};

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const [order, ...argument] = line.split(" ");
  orders[order](argument.join(" "));
});
// The driver is gone.
lines.on("close", () => process.exit(1));

const allHere = await until(() => clients.every(({ socket }) => socket.connected));
for (const { name, socket, log } of clients) {
  if (!socket.connected) console.error(`${name} is not connected: ${JSON.stringify(log)}`);
}
console.log(allHere ? "ready" : "not all of us can connect: see the logs");
again();
