// The list of messages: each once, in the order of their ids, those not stored yet at the end.

import { dayText, fromTemplate, paintAvatar, setLinkedText, timeText } from "./dom.js";

const SAME_BREATH = 5 * 60_000;
const NEAR_END = 60;

export class Timeline {
  constructor(root, me) {
    this.me = me;
    this.scroller = root.querySelector(".timeline");
    this.list = root.querySelector(".messages");
    this.jump = root.querySelector(".jump");
    this.byId = new Map();
    this.byClient = new Map();
    // Neither of these bubbles. A picture that can't be shown, be it gone or broken, is words instead. Icons load too.
    const onPicture = (act) => ({ target }) => target instanceof HTMLImageElement && act(target);
    this.list.addEventListener("error", onPicture((image) => this.markPicture(image, true)), true);
    this.list.addEventListener("load", onPicture((image) => this.tryPicture(image)), true);
    this.adoptPage();
    this.jump.addEventListener("click", () => this.scrollToEnd());
    this.scroller.addEventListener("scroll", () => this.atEnd() && (this.jump.hidden = true));
  }

  get lastId() {
    return Math.max(0, ...this.byId.keys());
  }

  get firstId() {
    return Math.min(...this.byId.keys());
  }

  /** The scroller counts from its end (column-reverse): 0 is the newest, above it is negative. */
  atEnd() {
    return this.scroller.scrollTop > -NEAR_END;
  }

  scrollToEnd() {
    this.scroller.scrollTop = 0;
    this.jump.hidden = true;
  }

  /** A stored message. A second copy, or the stored form of one that waits here, replaces it in place. */
  add(message) {
    const known = this.byId.get(message.id);
    if (known) return known;
    const element = this.pendingOf(message) ?? this.build(message);
    element.dataset.id = message.id;
    element.id = `message-${message.id}`;
    element.dataset.created = message.created;
    this.byId.set(message.id, element);
    this.byClient.set(message.client_id, element);
    if (message.image) this.showPicture(element, message.image);
    this.setState(element, "delivered");
    this.place(element, this.successorOf(message.id));
    return element;
  }

  /** A message that is on its way to the server. */
  addPending({ clientId, text, imageUrl }) {
    const element = this.build({
      author: this.me,
      client_id: clientId,
      created: new Date().toISOString(),
      image: imageUrl,
      text,
    });
    this.byClient.set(clientId, element);
    this.place(element, null);
    this.scrollToEnd();
    return element;
  }

  setState(element, state, reason = "") {
    const labels = { sending: "Sending", delivered: "Delivered", failed: "Not sent" };
    const mark = element.querySelector(".delivery");
    mark.dataset.state = state;
    mark.setAttribute("aria-label", labels[state]);
    element.dataset.state = state;
    const failure = element.querySelector(".failure");
    if (failure) {
      failure.hidden = state !== "failed";
      failure.querySelector(".reason").textContent = reason;
    }
  }

  remove(element) {
    const next = this.messageBeside(element, "nextElementSibling");
    this.byClient.delete(element.dataset.client);
    element.remove();
    this.tidyAfterLoss(next);
  }

  /** Older messages go in above, without being read out and without moving what is being read. */
  addHistory(messages) {
    this.list.setAttribute("aria-live", "off");
    for (const message of messages) this.add(message);
    setTimeout(() => this.list.setAttribute("aria-live", "polite"), 500);
  }

  adoptPage() {
    for (const day of this.list.querySelectorAll(".day")) day.remove();
    for (const element of this.list.querySelectorAll(".message")) {
      this.byId.set(Number(element.dataset.id), element);
      this.byClient.set(element.dataset.client, element);
      const text = element.querySelector(".text");
      if (text) setLinkedText(text, text.textContent);
      element.querySelector("time").textContent = timeText(new Date(element.dataset.created));
      const image = element.querySelector(".picture img");
      if (image?.complete) this.tryPicture(image);
      this.decorate(element);
    }
  }

  pendingOf(message) {
    const element = this.byClient.get(message.client_id);
    return element && !element.dataset.id && message.author.id === this.me.id ? element : null;
  }

  build(message) {
    const element = fromTemplate("message-template");
    const created = new Date(message.created);
    element.dataset.author = message.author.id;
    element.dataset.client = message.client_id;
    element.dataset.created = message.created;
    element.classList.toggle("own", message.author.id === this.me.id);
    paintAvatar(element.querySelector(".avatar"), message.author);
    element.querySelector(".author").textContent = message.author.name;
    element.querySelector("time").dateTime = message.created;
    element.querySelector("time").textContent = timeText(created);
    const text = element.querySelector(".text");
    if (message.text) setLinkedText(text, message.text);
    else text.remove();
    const picture = element.querySelector(".picture");
    if (message.image) {
      picture.querySelector("img").alt = `Picture from ${message.author.name}`;
      this.showPicture(element, message.image);
    } else {
      picture.remove();
      element.querySelector(".upload").remove();
    }
    return element;
  }

  showPicture(element, url) {
    const picture = element.querySelector(".picture");
    const image = picture.querySelector("img");
    const preview = image.src;
    picture.href = url;
    this.markPicture(image, false);
    image.src = url;
    if (preview.startsWith("blob:")) image.onload = () => URL.revokeObjectURL(preview);
  }

  /** What has come is not always what can be decoded. */
  async tryPicture(image) {
    const { src } = image;
    const broken = await image.decode().then(() => false, () => true);
    if (image.src === src) this.markPicture(image, broken);
  }

  markPicture(image, broken) {
    image.closest(".picture")?.classList.toggle("broken", broken);
  }

  successorOf(id) {
    for (const element of this.messagesBackwards()) {
      const other = Number(element.dataset.id);
      if (other && other < id) return this.messageBeside(element, "nextElementSibling");
    }
    return this.list.querySelector(".message");
  }

  *messagesBackwards() {
    let element = this.list.lastElementChild;
    for (; element; element = element.previousElementSibling) {
      if (element.classList.contains("message")) yield element;
    }
  }

  messageBeside(element, side) {
    let other = element[side];
    while (other && !other.classList.contains("message")) other = other[side];
    return other;
  }

  place(element, successor) {
    if (successor === element) successor = this.messageBeside(element, "nextElementSibling");
    const moves =
      !element.isConnected || this.messageBeside(element, "nextElementSibling") !== successor;
    const before = this.scroller.scrollHeight;
    const reading = !this.atEnd();
    if (moves) {
      const left = element.isConnected && this.messageBeside(element, "nextElementSibling");
      this.list.insertBefore(element, successor);
      this.tidyAfterLoss(left);
    }
    this.decorate(element);
    const next = this.messageBeside(element, "nextElementSibling");
    if (next) this.decorate(next);
    // What is added below the reader's eyes must not push what they read upwards.
    if (reading && !next) {
      this.scroller.scrollTop -= this.scroller.scrollHeight - before;
      this.jump.hidden = false;
    }
  }

  /** What stood above a message is gone, or nothing stands below the last day any more. */
  tidyAfterLoss(next) {
    if (next) this.decorate(next);
    if (this.list.lastElementChild?.classList.contains("day")) this.list.lastElementChild.remove();
  }

  /** The day above a message if it is the first of it, and whether it goes on from the one above. */
  decorate(element) {
    const previous = this.messageBeside(element, "previousElementSibling");
    const created = new Date(element.dataset.created);
    const last = previous && new Date(previous.dataset.created);
    const sameDay = last && last.toDateString() === created.toDateString();
    let above = element.previousElementSibling;
    while (above && above.classList.contains("day")) {
      above.remove();
      above = element.previousElementSibling;
    }
    if (!sameDay) {
      const day = document.createElement("li");
      day.className = "day";
      const label = document.createElement("span");
      label.textContent = dayText(created);
      day.append(label);
      this.list.insertBefore(day, element);
    }
    const sameAuthor = previous && previous.dataset.author === element.dataset.author;
    element.classList.toggle("follows", Boolean(sameDay && sameAuthor && created - last < SAME_BREATH));
  }
}
