// The form in which a message is written. Without this module it is an ordinary form.

import { preparePicture } from "./picture.js";

const TYPING_AGAIN = 2_500;

export class Composer {
  /** `onSend(text, picture)` and `onTyping(whether)` are told what the user does. */
  constructor(form, room, { onSend, onTyping }) {
    this.form = form;
    this.draftKey = `draft:${room}`;
    this.onSend = onSend;
    this.onTyping = onTyping;
    this.text = form.elements.text;
    this.file = form.elements.image;
    this.chosen = form.querySelector(".chosen");
    this.error = form.querySelector(".composer-error");
    this.picture = null;
    this.saidTyping = 0;
    this.text.value ||= sessionStorage.getItem(this.draftKey) ?? "";
    this.resize();
    this.listen();
  }

  listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.text.addEventListener("keydown", (event) => this.keydown(event));
    this.text.addEventListener("input", () => this.changed());
    this.text.addEventListener("blur", () => this.stopTyping());
    this.text.addEventListener("paste", (event) => this.take(event, event.clipboardData));
    this.file.addEventListener("change", () => this.choose(this.file.files[0]));
    this.chosen.querySelector(".remove").addEventListener("click", () => {
      this.forgetPicture();
      this.text.focus();
    });
    const room = this.form.closest(".room");
    room.addEventListener("dragover", (event) => event.preventDefault());
    room.addEventListener("drop", (event) => this.take(event, event.dataTransfer));
  }

  keydown(event) {
    // A soft keyboard has no Shift+Enter at hand: there Enter is a new line and the button sends.
    const soft = matchMedia("(pointer: coarse)").matches;
    const wanted = event.key === "Enter" && !event.shiftKey && (!soft || event.ctrlKey || event.metaKey);
    if (!wanted || event.isComposing) return;
    event.preventDefault();
    this.submit();
  }

  submit() {
    const text = this.text.value.trim();
    if (!text && !this.picture) return;
    this.onSend(text, this.picture);
    this.text.value = "";
    this.forgetPicture();
    this.changed();
    this.text.focus();
  }

  changed() {
    this.resize();
    this.error.textContent = "";
    if (!this.text.value) {
      sessionStorage.removeItem(this.draftKey);
      this.stopTyping();
      return;
    }
    sessionStorage.setItem(this.draftKey, this.text.value);
    if (Date.now() - this.saidTyping > TYPING_AGAIN) {
      this.saidTyping = Date.now();
      this.onTyping(true);
    }
  }

  stopTyping() {
    if (this.saidTyping) this.onTyping(false);
    this.saidTyping = 0;
  }

  resize() {
    this.text.style.height = "auto";
    this.text.style.height = `${this.text.scrollHeight}px`;
  }

  take(event, transfer) {
    const file = [...(transfer?.files ?? [])].find((item) => item.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    this.choose(file);
  }

  async choose(file) {
    this.forgetPicture();
    if (!file) return;
    try {
      this.picture = await preparePicture(file);
    } catch (error) {
      this.file.value = ""; // the same file, mended, may be chosen again
      this.error.textContent = error.message;
      return;
    }
    this.chosen.querySelector("img").src = URL.createObjectURL(this.picture);
    this.chosen.querySelector(".chosen-name").textContent = file.name;
    this.chosen.hidden = false;
    this.text.focus();
  }

  forgetPicture() {
    const preview = this.chosen.querySelector("img");
    if (preview.src) URL.revokeObjectURL(preview.src);
    preview.removeAttribute("src");
    this.chosen.hidden = true;
    this.file.value = "";
    this.picture = null;
    this.error.textContent = "";
  }
}
