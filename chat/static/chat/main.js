import { openConnection, request } from "./connection.js";
import { Announcements, showNewRoom, Unread } from "./frame.js";
import { RoomPage } from "./room.js";

// Pages of older messages are for browsers without this script; with it they are scrolled to.
if (new URLSearchParams(location.search).has("before")) location.replace(location.pathname);

const badge = document.querySelector("[data-me]");
const me = { id: Number(badge.dataset.me), name: badge.dataset.name };
const root = document.querySelector("main.room");
const socket = openConnection();
const unread = new Unread(root?.dataset.room);
const announcements = new Announcements();
const page = root && new RoomPage(root, socket, me);

socket.on("announcement", (announcement) => announcements.show(announcement));
socket.on("room", showNewRoom);
socket.on("read", ({ room }) => unread.set(room, 0));
socket.on("message", ({ room, author }) => author.id !== me.id && unread.add(room));
// Whether the frame shows all that it should. What was missed, a recovered socket gets by itself.
let isGreeted = false;
socket.on("connect", async () => {
  page?.connected();
  if (socket.recovered && isGreeted) return;
  isGreeted = false;
  const state = await request(socket, "hello").catch(() => null);
  if (!state) return;
  isGreeted = true;
  unread.setAll(state.unread);
  announcements.setAll(state.announcements);
});

document.documentElement.classList.add("live");
