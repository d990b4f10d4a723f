// The events of one room as they pass; silent until somebody switches it on.

const MAX_LINES = 200;

const time = new Intl.DateTimeFormat(document.documentElement.lang || undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});

export class Feed {
  /** `ask(on)` switches at the server; it returns a promise of {on} or {error}. */
  constructor(region, texts, ask) {
    this.texts = texts;
    this.ask = ask;
    this.on = false;
    this.list = element("ol", "realtime-feed-lines");
    this.list.tabIndex = 0;
    this.list.setAttribute("aria-label", texts.feed);
    this.list.hidden = true;
    this.note = element("p", "help", texts.feedHelp);
    this.note.setAttribute("role", "status");
    this.button = button(texts.feedOn, () => this.switch(!this.on));
    this.button.setAttribute("aria-pressed", "false");
    this.clear = button(texts.clear, () => this.list.replaceChildren());
    this.clear.hidden = true;
    this.place(region);
  }

  place(region) {
    const section = element("section", "realtime-feed module");
    section.id = "realtime-feed";
    const buttons = element("p", "realtime-feed-buttons");
    buttons.append(this.button, this.clear);
    section.append(element("h2", "", this.texts.feed), this.note, buttons, this.list);
    const old = document.getElementById("realtime-feed");
    if (old === null) region.after(section);
    else old.replaceWith(section);
  }

  async switch(on) {
    this.button.disabled = true;
    const answer = await this.ask(on);
    this.button.disabled = false;
    this.show(answer.on === true, answer.error?.message);
    this.button.focus({ preventScroll: true });
  }

  /** The connection is gone. */
  miss() {
    if (this.on) this.note.textContent = this.texts.feedMissed;
  }

  /** The connection is back: the server knows nothing of the feed any more. */
  async resume() {
    if (!this.on) return;
    const answer = await this.ask(true);
    this.show(answer.on === true, answer.error?.message);
  }

  show(on, problem = "") {
    this.on = on;
    this.button.textContent = on ? this.texts.feedOff : this.texts.feedOn;
    this.button.setAttribute("aria-pressed", String(on));
    this.note.textContent = problem || (on ? this.texts.feedWaits : this.texts.feedHelp);
    this.list.hidden = !on && this.list.childElementCount === 0;
    this.clear.hidden = this.list.hidden;
  }

  add({ lines, skipped }) {
    if (!this.on) return;
    const stays = this.list.scrollTop > 4;
    const before = this.list.scrollHeight;
    for (const line of lines) this.list.prepend(this.item(line));
    if (skipped > 0) {
      const text = this.texts.skipped.replace("%(count)s", skipped);
      this.list.prepend(element("li", "realtime-feed-skipped", text));
    }
    while (this.list.childElementCount > MAX_LINES) this.list.lastElementChild.remove();
    // The newest is on top; who has scrolled down to read keeps the place.
    if (stays) this.list.scrollTop += this.list.scrollHeight - before;
  }

  item({ at, event, args, bytes, rooms, volatile, skips }) {
    const item = element("li");
    const stamp = element("time", "", time.format(at * 1000));
    stamp.dateTime = new Date(at * 1000).toISOString();
    const notes = [rooms === null ? this.texts.everyone : "", volatile ? this.texts.volatile : ""];
    if (rooms !== null && rooms.length > 1) notes.push(rooms.join(", "));
    if (skips > 0) notes.push(this.texts.skips.replace("%(count)s", skips));
    const text = args ?? this.texts.tooBig.replace("%(bytes)s", bytes);
    item.append(stamp, " ", element("strong", "", event), " ", element("code", "", text));
    for (const note of notes.filter(Boolean)) item.append(" ", element("small", "", note));
    return item;
  }
}

function button(text, pressed) {
  const made = element("button", "button", text);
  made.type = "button";
  made.addEventListener("click", pressed);
  return made;
}

function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
