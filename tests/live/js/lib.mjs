// The stock client, and events to wait for. The environment says where the server is and how.

import { createRequire } from "node:module";

const PATIENCE = 30_000;
const { SERVER, TRANSPORTS = "polling,websocket", BUILD = "node", COOKIE } = process.env;
const require = createRequire(import.meta.url);

export const transports = TRANSPORTS.split(",");

async function client() {
  if (BUILD === "node") return (await import("socket.io-client")).io;
  // The build for browsers takes these from its page. Its folder is no part of the package's
  // exports, so it is asked for by its path.
  globalThis.WebSocket ??= require("ws");
  globalThis.XMLHttpRequest ??= require("xmlhttprequest-ssl").XMLHttpRequest;
  globalThis.FileReader ??= class {
    async readAsDataURL(blob) {
      const content = Buffer.from(await blob.arrayBuffer()).toString("base64");
      this.result = `data:;base64,${content}`;
      this.onload();
    }
  };
  const folder = require.resolve("socket.io-client/package.json").replace("package.json", "dist/");
  return require(folder + BUILD).io;
}

const io = await client();
const sockets = [];

// A socket whose events can be waited for, also those that came before: `await socket.next("said")`.
export function open(namespace, options = {}) {
  const extraHeaders = COOKIE ? { Cookie: COOKIE } : undefined;
  const socket = io(SERVER + namespace, { transports, extraHeaders, ...options });
  const arrived = new Map();
  const awaited = new Map();

  const put = (event, ...args) => {
    const waiting = (awaited.get(event) ?? []).shift();
    if (waiting) waiting(args);
    else arrived.set(event, [...(arrived.get(event) ?? []), args]);
  };
  socket.next = async (event) => {
    const [args] = (arrived.get(event) ?? []).splice(0, 1);
    if (args) return args;
    return within(
      new Promise((resolve) => awaited.set(event, [...(awaited.get(event) ?? []), resolve])),
      `${event} in ${namespace}`,
    );
  };
  socket.waiting = (event) => (arrived.get(event) ?? []).splice(0);
  socket.ask = (event, ...args) => socket.timeout(PATIENCE).emitWithAck(event, ...args);
  socket.onAny((event, ...args) => {
    if (event !== "question") put(event, ...args);
  });
  for (const event of ["connect", "connect_error", "disconnect"]) {
    socket.on(event, (...args) => put(event, ...args));
  }
  socket.on("question", (...args) => args.pop()(...args));
  sockets.push(socket);
  return socket;
}

// The same, connected, and upgraded where it may be.
export async function connect(namespace, options) {
  const socket = open(namespace, options);
  const outcome = new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  });
  await within(outcome, `connect to ${namespace}`);
  socket.waiting("connect");
  const { engine } = socket.io;
  const wanted = transports.at(-1);
  if (engine.transport.name !== wanted) {
    await within(new Promise((resolve) => engine.once("upgrade", resolve)), "upgrade");
  }
  return socket;
}

export function end() {
  for (const socket of sockets) socket.disconnect();
}

async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came: ${what}`)), PATIENCE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
