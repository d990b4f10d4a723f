// Older messages, fetched when the reader comes near the top, or follows the link there.

import { request } from "./connection.js";

export class History {
  constructor(root, socket, timeline) {
    this.room = root.dataset.room;
    this.socket = socket;
    this.timeline = timeline;
    this.link = root.querySelector(".older");
    this.beginning = root.querySelector(".beginning");
    this.fetching = false;
    this.watcher = new IntersectionObserver((entries) => entries.at(-1).isIntersecting && this.fetch(), {
      root: timeline.scroller,
      rootMargin: "300px 0px 0px",
    });
    this.link?.addEventListener("click", (event) => {
      event.preventDefault();
      this.fetch();
    });
  }

  /** Looks anew whether the link is in view; an observer by itself tells of changes only. */
  watch() {
    if (!this.link || this.link.hidden) return;
    this.watcher.unobserve(this.link);
    this.watcher.observe(this.link);
  }

  async fetch() {
    if (this.fetching || !this.socket.connected) return;
    this.fetching = true;
    const data = { room: this.room, before: this.timeline.firstId };
    const answer = await request(this.socket, "history", data).catch(() => null);
    this.fetching = false;
    if (!answer) return;
    this.timeline.addHistory(answer.messages);
    this.link.hidden = !answer.more;
    this.beginning.hidden = answer.more;
    this.watch();
  }
}
