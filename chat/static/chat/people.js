// Who is here, who else is a member, and who is typing.

import { fromTemplate, paintAvatar } from "./dom.js";

const TYPING_LASTS = 5_000;

export class People {
  constructor(root, me) {
    this.me = me;
    this.here = root.querySelector(".people-list");
    this.count = root.querySelector(".people-count");
    this.away = root.querySelector(".away");
    this.awayList = root.querySelector(".away-list");
    // By id. Presence is told as it changes; who else is a member, and online, is asked now and then.
    this.present = new Map();
    this.members = [];
  }

  setPresent(people) {
    this.present.clear();
    this.change({ joined: people, left: [] });
  }

  change({ joined, left }) {
    // Ids of presence are text, as they may be anything; in the chat they are numbers.
    for (const { id } of left) this.present.delete(Number(id));
    for (const { id, name } of joined) this.present.set(Number(id), { id: Number(id), name, online: true });
    this.show();
  }

  setMembers(members) {
    this.members = members;
    this.show();
  }

  /** Without a connection nobody is known to be here, or anywhere. */
  hide() {
    this.count.textContent = "";
    this.awayList.replaceChildren();
    this.away.hidden = true;
    const hint = document.createElement("li");
    hint.className = "hint";
    hint.textContent = "Shown when the page is connected.";
    this.here.replaceChildren(hint);
  }

  show() {
    // Before the first presence:state nobody is known to be away.
    if (this.present.size === 0) return;
    const away = this.members.filter((member) => !this.present.has(member.id));
    this.count.textContent = this.present.size;
    this.fill(this.here, [...this.present.values()]);
    this.fill(this.awayList, away);
    this.away.hidden = away.length === 0;
  }

  fill(list, people) {
    people.sort((a, b) => a.name.localeCompare(b.name));
    list.replaceChildren(...people.map((person) => this.itemOf(person)));
  }

  itemOf(person) {
    const item = fromTemplate("person-template");
    paintAvatar(item.querySelector(".avatar"), person);
    const you = person.id === this.me.id ? " (you)" : "";
    item.querySelector(".person-name").textContent = person.name + you;
    item.querySelector(".person-state").textContent = person.online ? "online" : "offline";
    item.classList.toggle("offline", !person.online);
    return item;
  }
}

export class Typing {
  constructor(element, me) {
    this.me = me;
    this.element = element;
    this.text = element.querySelector(".typing-text");
    this.timers = new Map();
    this.names = new Map();
  }

  /** Someone types, or no longer does. Nobody types for ever: a page may vanish before it says so. */
  set(user, typing) {
    if (user.id === this.me.id) return;
    clearTimeout(this.timers.get(user.id));
    if (typing) {
      this.names.set(user.id, user.name);
      this.timers.set(user.id, setTimeout(() => this.set(user, false), TYPING_LASTS));
    } else {
      this.names.delete(user.id);
      this.timers.delete(user.id);
    }
    this.show();
  }

  clear() {
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    this.names.clear();
    this.show();
  }

  show() {
    const names = [...this.names.values()];
    this.element.classList.toggle("active", names.length > 0);
    if (names.length === 0) this.text.textContent = "";
    else if (names.length === 1) this.text.textContent = `${names[0]} is typing`;
    else if (names.length === 2) this.text.textContent = `${names[0]} and ${names[1]} are typing`;
    else this.text.textContent = "Several people are typing";
  }
}
