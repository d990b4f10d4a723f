import { io, type Socket } from "socket.io-client";
import type { ListsClientToServerEvents, ListsServerToClientEvents } from "./events.js";

const socket: Socket<ListsServerToClientEvents, ListsClientToServerEvents> = io("/lists");
socket.on("item:created", ({ id, title, bought }) => console.log(id.toFixed(), title.trim(), !bought));
socket.on("item:deleted", ({ id }) => console.log(id.toFixed()));
socket.on("reminder", (title) => console.log(title.trim()));
socket.on("room:left", (room, { code }) => console.log(room.trim(), code.trim()));

const joined = await socket.emitWithAck("room:join", "lists.7");
if ("error" in joined) console.log(joined.error.message);
else console.log(joined.present?.map(({ name }) => name.trim()));
const added = await socket.emitWithAck("add", 7, "tea");
if (typeof added === "number") console.log(added.toFixed());
// @ts-expect-error a list is named by a number
socket.emit("add", "7", "tea", () => {});
