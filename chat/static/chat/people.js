// Who is here, and who is typing.

import { fromTemplate, paintAvatar } from "./dom.js";

const TYPING_LASTS = 5_000;

export class People {
  constructor(root, me) {
    this.me = me;
    this.list = root.querySelector(".people-list");
    this.count = root.querySelector(".people-count");
  }

  show(people) {
    this.count.textContent = people.length;
    this.list.replaceChildren(
      ...people.map((person) => {
        const item = fromTemplate("person-template");
        paintAvatar(item.querySelector(".avatar"), person);
        const you = person.id === this.me.id ? " (you)" : "";
        item.querySelector(".person-name").textContent = person.name + you;
        return item;
      }),
    );
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

  show() {
    const names = [...this.names.values()];
    this.element.classList.toggle("active", names.length > 0);
    if (names.length === 0) this.text.textContent = "";
    else if (names.length === 1) this.text.textContent = `${names[0]} is typing`;
    else if (names.length === 2) this.text.textContent = `${names[0]} and ${names[1]} are typing`;
    else this.text.textContent = "Several people are typing";
  }
}
