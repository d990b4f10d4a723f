// Messages on their way: sent one after the other, kept while the connection is away, sent again on
// request. Each has an id made here, by which the server recognises one that it has already stored.

import { newClientId } from "./dom.js";
import { request, RequestError } from "./connection.js";

const TEXT_TIMEOUT = 10_000;
const PICTURE_TIMEOUT = 60_000;
// Connections that may be lost while one message is sent. It may be the message that costs them: one
// that is larger than a proxy lets through would be sent again for ever.
const MAX_LOSSES = 3;

export class Outbox {
  constructor(socket, room, timeline) {
    this.socket = socket;
    this.room = room;
    this.timeline = timeline;
    this.queue = [];
    this.busy = false;
    this.open = false;
    window.addEventListener("beforeunload", (event) => this.queue.length && event.preventDefault());
  }

  add(text, picture) {
    const clientId = newClientId();
    const imageUrl = picture && URL.createObjectURL(picture);
    const element = this.timeline.addPending({ clientId, text, imageUrl });
    const item = { clientId, text, picture, element };
    element.querySelector(".retry").addEventListener("click", () => this.enqueue(item));
    element.querySelector(".discard").addEventListener("click", () => this.timeline.remove(element));
    this.enqueue(item);
  }

  enqueue(item) {
    item.losses = 0;
    this.timeline.setState(item.element, "sending");
    this.queue.push(item);
    this.drain();
  }

  /** The room is open on this connection, and what was missed is shown. */
  resume() {
    this.open = true;
    this.drain();
  }

  pause() {
    this.open = false;
  }

  async drain() {
    if (this.busy) return;
    this.busy = true;
    while (this.open && this.queue.length) {
      if (await this.deliver(this.queue[0])) this.queue.shift();
    }
    this.busy = false;
  }

  /** Whether the item is done with, delivered or failed. It is not if the connection went away. */
  async deliver(item) {
    // Recovery may have found it among the stored messages: only the answer had been lost.
    if (item.element.dataset.id) return true;
    try {
      const answer = await this.send(item);
      this.timeline.add(answer.message);
    } catch (error) {
      if (!this.socket.connected || !this.open) {
        if (++item.losses < MAX_LOSSES) return false;
        this.timeline.setState(item.element, "failed", "The connection was lost each time.");
        return true;
      }
      const refused = error instanceof RequestError;
      this.timeline.setState(item.element, "failed", refused ? error.message : "No answer.");
    }
    return true;
  }

  async send({ clientId, text, picture }) {
    const data = { room: this.room, text, client_id: clientId };
    if (picture) data.image = await picture.arrayBuffer();
    return request(this.socket, "send", data, picture ? PICTURE_TIMEOUT : TEXT_TIMEOUT);
  }
}
