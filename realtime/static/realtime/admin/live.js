// Keeps a page of the realtime admin fresh: told by the server over a socket, or else by a timer.

import { Charts } from "./charts.js";
import { Feed } from "./feed.js";
import { patch } from "./morph.js";

const PATIENCE = 5_000;
const SLOW = 10_000;
const RETRY = 30_000;

class Status {
  constructor(region, texts, toggled) {
    this.texts = texts;
    this.text = document.createElement("span");
    this.text.setAttribute("role", "status");
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.addEventListener("click", toggled);
    this.element = document.createElement("p");
    this.element.className = "realtime-status";
    this.element.append(this.text, " ", this.button);
    region.before(this.element);
  }

  show(state, paused) {
    if (this.element.dataset.state !== state) this.text.textContent = this.texts[state];
    this.element.dataset.state = state;
    this.button.textContent = paused ? this.texts.resume : this.texts.pause;
    this.button.hidden = state === "out";
  }
}

class Page {
  constructor(region, script) {
    this.region = region;
    this.texts = JSON.parse(script.dataset.texts);
    this.state = "connecting";
    this.paused = false;
    this.fetching = false;
    this.stale = false;
    this.status = new Status(region, this.texts, () => this.pause(!this.paused));
    this.charts = region.dataset.page === "nodes" ? new Charts(region, this.texts) : null;
    this.feed = null;
    if (region.dataset.watch === "1") {
      this.feed = new Feed(region, this.texts, (on) => this.switchFeed(on));
    }
    this.timer = setInterval(() => this.onTimer(), SLOW);
    document.addEventListener("visibilitychange", () => this.attend());
    this.show();
    this.connect(script.dataset);
  }

  get resting() {
    return this.paused || document.hidden;
  }

  // The connection

  connect({ path, namespace }) {
    if (typeof io === "undefined") {
      this.to("timer");
      return;
    }
    this.socket = io(namespace, { path });
    this.socket.on("connect", () => this.onConnect());
    this.socket.on("connect_error", () => this.onRefusal());
    this.socket.on("disconnect", (reason) => this.onDisconnect(reason));
    this.socket.on("tick", () => this.charts ?? this.refresh());
    this.socket.on("nodes", (readings) => {
      this.charts?.add(readings); // they come at each beat, with or without a tick
      this.refresh();
    });
    this.socket.on("lines", (lines) => this.feed?.add(lines));
    setTimeout(() => this.state === "connecting" && this.to("timer"), PATIENCE);
  }

  onConnect() {
    this.to("live");
    this.attend();
    this.feed?.resume();
  }

  onRefusal() {
    this.to("timer");
    // The client itself goes on trying unless it was the server that said no.
    if (!this.socket.active) this.retry();
  }

  onDisconnect(reason) {
    this.to("reconnecting");
    this.feed?.miss();
    // Sent away: perhaps for good, which the next refresh tells.
    if (reason === "io server disconnect") {
      this.refresh();
      this.retry();
    }
  }

  retry() {
    setTimeout(() => this.state !== "out" && this.socket.connect(), RETRY);
  }

  attend() {
    if (this.socket?.connected) this.socket.emit("watch", this.resting ? null : this.region.dataset.page);
    if (!this.resting) this.refresh();
  }

  async switchFeed(on) {
    const { namespace, room } = this.region.dataset;
    try {
      return await this.socket.timeout(PATIENCE).emitWithAck("feed", namespace, room, on);
    } catch {
      return { on: false, error: { message: this.texts.noFeed } };
    }
  }

  // What the page shows

  onTimer() {
    if (this.resting || this.state === "live") return;
    this.to("timer");
    this.refresh();
  }

  async refresh() {
    if (this.resting) return;
    if (this.fetching) {
      this.stale = true;
      return;
    }
    this.fetching = true;
    try {
      do {
        this.stale = false;
        await this.fetch();
      } while (this.stale && !this.resting);
    } finally {
      this.fetching = false;
    }
  }

  async fetch() {
    let response;
    try {
      response = await fetch(location.href, {
        headers: { "X-Realtime-Fragment": "1" },
        credentials: "same-origin",
        cache: "no-store",
        redirect: "manual",
      });
    } catch {
      return; // the site is away; the next tick or the timer tries again
    }
    if (response.type === "opaqueredirect" || response.status === 403) {
      this.leave();
    } else if (response.ok) {
      const html = await response.text();
      this.region.classList.remove("realtime-stale");
      if (!this.resting) {
        patch(this.region, html);
        if (this.state !== "live") this.charts?.addTable(this.region);
        this.region.dispatchEvent(new CustomEvent("realtime:refreshed", { bubbles: true }));
      }
    } else {
      this.region.classList.add("realtime-stale"); // not there any more, or not just now
    }
  }

  /** Signed out, or not permitted any more. */
  leave() {
    clearInterval(this.timer);
    this.paused = true;
    this.to("out");
    this.socket?.disconnect();
  }

  pause(paused) {
    this.paused = paused;
    this.show();
    this.attend();
  }

  to(state) {
    if (this.state === "out") return;
    this.state = state;
    this.show();
  }

  show() {
    const state = this.paused && this.state !== "out" ? "paused" : this.state;
    this.status.show(state, this.paused);
  }
}

const region = document.getElementById("realtime-live");
const script = document.getElementById("realtime-live-script");
if (region !== null && script !== null) new Page(region, script);
