// Small helpers for the page. Text from people goes in as text nodes only, never as HTML.

const HUES = 8;
const LINK = /https?:\/\/[^\s<>"']+[^\s<>"'.,:;!?)\]}]/g;
const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const longDay = new Intl.DateTimeFormat([], { weekday: "long", day: "numeric", month: "long" });

export function fromTemplate(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

export function paintAvatar(avatar, person) {
  avatar.classList.add(`hue-${person.id % HUES}`);
  avatar.textContent = [...person.name][0]?.toUpperCase() ?? "";
}

export function timeText(date) {
  return clock.format(date);
}

export function dayText(date) {
  const days = Math.round((startOfDay(new Date()) - startOfDay(date)) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return longDay.format(date);
}

function startOfDay(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate());
}

/** Puts the text into the element, with its web addresses as links. */
export function setLinkedText(element, text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const link = document.createElement("a");
    link.href = match[0];
    link.textContent = match[0];
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
    parts.push(text.slice(end, match.index), link);
    end = match.index + match[0].length;
  }
  element.replaceChildren(...parts, text.slice(end));
}

export function newClientId() {
  // randomUUID exists on https and localhost only; a chat tried over a home network has neither.
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
