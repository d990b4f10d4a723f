// One room's page: ties the socket to the timeline, the composer and the list of people.

import { Composer } from "./composer.js";
import { request, RequestError } from "./connection.js";
import { History } from "./history.js";
import { Outbox } from "./outbox.js";
import { People, Typing } from "./people.js";
import { Timeline } from "./timeline.js";

const MEMBERS_EVERY = 20_000;
const TRY_AGAIN = 3_000;
// Many people see a message at the same moment; each page notes in its own time that it was read.
const READ_AFTER = 1_000;
const TOO_FAR_BEHIND = 20;
// Ids are given in order, but two processes may tell of theirs the other way round: look a little further back.
const OVERLAP = 20;

export class RoomPage {
  constructor(root, socket, me) {
    this.room = root.dataset.room;
    this.socket = socket;
    this.me = me;
    this.timeline = new Timeline(root, me);
    this.people = new People(document.querySelector("aside.people"), me);
    this.typing = new Typing(root.querySelector(".typing"), me);
    this.outbox = new Outbox(socket, this.room, this.timeline);
    new Composer(root.querySelector(".composer"), this.room, {
      onSend: (text, picture) => this.outbox.add(text, picture),
      onTyping: (typing) => socket.volatile.emit("typing", { room: this.room, typing }),
    });
    this.history = new History(root, socket, this.timeline);
    this.readId = this.timeline.lastId;
    // Every message up to this id is on the page; live ones beyond a gap do not count.
    this.completeTo = this.timeline.lastId;
    this.complete = false;
    this.wasComplete = false;
    this.reading = null;
    this.listen();
  }

  listen() {
    this.socket.on("disconnect", () => this.disconnected());
    this.socket.on("message", (message) => this.receive(message));
    // A page opens one room, so these two tell of no other.
    this.socket.on("presence:state", (_room, people) => this.people.setPresent(people));
    this.socket.on("presence:diff", (_room, changes) => this.people.change(changes));
    this.socket.on("typing", ({ room, user, typing }) => {
      if (room === this.room) this.typing.set(user, typing);
    });
    document.addEventListener("visibilitychange", () => this.markRead());
    setInterval(() => document.hidden || this.askMembers(), MEMBERS_EVERY);
  }

  receive(message) {
    if (message.room !== this.room) return;
    this.typing.set(message.author, false);
    this.timeline.add(message);
    this.markRead();
  }

  disconnected() {
    this.outbox.pause();
    this.wasComplete = this.complete;
    this.people.hide();
    this.typing.clear();
    if (this.complete) this.completeTo = this.timeline.lastId;
    this.complete = false;
  }

  /**
   * After each connection. A socket that was recovered has its seat in the room and all messages that it missed; any
   * other one takes a seat, and fetches from the database what was missed.
   */
  async connected() {
    if (this.socket.recovered && this.wasComplete) return this.recovered();
    try {
      await this.catchUp();
    } catch (error) {
      // A refusal stays one; no answer may be the next connection's to get, or this one's when asked again.
      if (error instanceof RequestError) return this.outbox.resume();
      setTimeout(() => this.socket.connected && this.connected(), TRY_AGAIN);
      return;
    }
    this.recovered();
    this.askMembers();
  }

  recovered() {
    this.complete = true;
    this.outbox.resume();
    // Otherwise presence:state says anew who is here; a recovered socket only hears what changed.
    if (this.socket.recovered) this.people.show();
    this.markRead();
    this.history.watch();
  }

  async catchUp() {
    for (let page = 0; page < TOO_FAR_BEHIND; page += 1) {
      const data = { room: this.room, after: Math.max(0, this.completeTo - OVERLAP) };
      const answer = await request(this.socket, "open", data);
      for (const message of answer.messages) this.timeline.add(message);
      this.complete = !answer.more;
      if (this.complete) return;
      this.completeTo = answer.messages.at(-1).id;
    }
    location.reload();
  }

  markRead() {
    this.reading ??= setTimeout(() => {
      this.reading = null;
      const id = this.timeline.lastId;
      if (document.hidden || !this.socket.connected || id <= this.readId) return;
      this.readId = id;
      this.socket.emit("read", { room: this.room, id });
    }, READ_AFTER);
  }

  async askMembers() {
    if (!this.socket.connected) return;
    const answer = await request(this.socket, "members", { room: this.room }).catch(() => null);
    if (answer) this.people.setMembers(answer.members);
  }
}
