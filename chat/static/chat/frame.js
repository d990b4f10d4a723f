// What every page shows: unread marks, new rooms, announcements.

import { fromTemplate } from "./dom.js";

const DISMISSED = "dismissed-announcements";

export class Unread {
  constructor(currentRoom) {
    this.currentRoom = currentRoom;
    this.title = document.title;
  }

  /** A room of the user's has a link beside the page, and perhaps a card on it. */
  linksTo(room) {
    return document.querySelectorAll(`.room-links [data-room="${room}"], .room-cards [data-room="${room}"]`);
  }

  set(room, count) {
    if (room === this.currentRoom) return;
    for (const link of this.linksTo(room)) {
      link.querySelector(".count").textContent = count;
      link.querySelector(".unread").hidden = count === 0;
    }
    this.showTotal();
  }

  add(room) {
    const [link] = this.linksTo(room);
    if (link) this.set(room, this.countOf(link) + 1);
  }

  setAll(counts) {
    for (const [room, count] of Object.entries(counts)) this.set(room, count);
  }

  countOf(link) {
    const mark = link.querySelector(".unread");
    return mark.hidden ? 0 : Number(mark.querySelector(".count").textContent);
  }

  showTotal() {
    const links = [...document.querySelectorAll(".room-links [data-room]")];
    const total = links.reduce((sum, link) => sum + this.countOf(link), 0);
    document.title = total ? `(${total}) ${this.title}` : this.title;
  }
}

export class Announcements {
  constructor() {
    this.root = document.querySelector(".announcements");
    for (const element of [...this.root.children]) {
      if (this.dismissed().includes(this.keyOf(element))) element.remove();
      else this.listen(element);
    }
  }

  show(announcement) {
    const key = `${announcement.id}:${announcement.text}`;
    const old = this.root.querySelector(`[data-announcement="${announcement.id}"]`);
    if (!announcement.active || this.dismissed().includes(key)) return old?.remove();
    const element = old ?? fromTemplate("announcement-template");
    element.className = `announcement ${announcement.level}`;
    element.dataset.announcement = announcement.id;
    element.querySelector("p").textContent = announcement.text;
    if (!old) {
      this.listen(element);
      this.root.append(element);
    }
  }

  /** The state after a connection: what is not in it was withdrawn meanwhile. */
  setAll(announcements) {
    const ids = announcements.map((announcement) => String(announcement.id));
    for (const element of [...this.root.children]) {
      if (!ids.includes(element.dataset.announcement)) element.remove();
    }
    for (const announcement of announcements) this.show(announcement);
  }

  listen(element) {
    element.querySelector(".dismiss").addEventListener("click", () => {
      const kept = [...this.dismissed(), this.keyOf(element)].slice(-100);
      localStorage.setItem(DISMISSED, JSON.stringify(kept));
      element.remove();
    });
  }

  // With the text in it: an announcement that says something new is shown again.
  keyOf(element) {
    return `${element.dataset.announcement}:${element.querySelector("p").textContent}`;
  }

  dismissed() {
    return JSON.parse(localStorage.getItem(DISMISSED) ?? "[]");
  }
}

/** A room that someone has just made, on the page that lists them. */
export function showNewRoom(room) {
  const list = document.querySelector(".room-cards");
  if (!list || list.querySelector(`a[href="${CSS.escape(room.url)}"]`)) return;
  list.querySelector(".no-rooms")?.remove();
  const item = fromTemplate("room-template");
  item.querySelector("a").href = room.url;
  item.querySelector("a").dataset.room = room.slug;
  item.querySelector(".room-name").textContent = room.name;
  list.append(item);
}
