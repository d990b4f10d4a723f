// Makes a region look like fresh HTML and leaves alone what a person did to it: focus, selected
// text, ticked boxes, what was typed, scrolling, opened details.

const CONTROLS = new Set(["INPUT", "TEXTAREA", "SELECT"]);
// Attributes that stand for what the person did, once the element is on the page.
const PERSONAL = new Set(["open", "checked", "selected", "value"]);
// White space means nothing in these, and would be in the way of rows that move.
const LISTS = new Set(["TABLE", "THEAD", "TBODY", "TR", "UL", "OL", "DL"]);

/** Make the children of `region` those of the HTML text, by the least changes. */
export function patch(region, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  patchChildren(region, template.content);
  if (focused !== null && focused !== document.activeElement && focused.isConnected) {
    focused.focus({ preventScroll: true });
  }
}

function patchChildren(old, fresh) {
  if (LISTS.has(old.nodeName)) {
    dropSpace(old);
    dropSpace(fresh);
  }
  const keyed = new Map();
  for (const child of old.children) {
    const key = keyOf(child);
    if (key !== null && !keyed.has(key)) keyed.set(key, child);
  }
  let next = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const match = matching(next, child, keyed);
    if (match === null) {
      old.insertBefore(document.importNode(child, true), next);
      continue;
    }
    if (match === next) next = next.nextSibling;
    else old.insertBefore(match, next);
    patchNode(match, child);
  }
  while (next !== null) {
    const rest = next;
    next = next.nextSibling;
    if (!isKept(rest)) rest.remove();
  }
}

function matching(next, child, keyed) {
  const key = keyOf(child);
  if (key !== null) {
    const match = keyed.get(key) ?? null;
    keyed.delete(key);
    return match !== null && match.nodeName === child.nodeName ? match : null;
  }
  const fits = next !== null && next.nodeName === child.nodeName && keyOf(next) === null;
  return fits && !isKept(next) ? next : null;
}

// A row is itself wherever it moves: by its id, its data-key, or the box that selects it.
function keyOf(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return null;
  if (node.id) return `#${node.id}`;
  if (node.dataset.key !== undefined) return node.dataset.key;
  if (node.nodeName !== "TR") return null;
  return node.querySelector("input.action-select")?.value ?? null;
}

function isKept(node) {
  return node.nodeType === Node.ELEMENT_NODE && node.dataset.liveKeep !== undefined;
}

function dropSpace(parent) {
  for (const child of [...parent.childNodes]) {
    if (child.nodeType === Node.TEXT_NODE && child.nodeValue.trim() === "") child.remove();
  }
}

function patchNode(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue && !isSelected(old)) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (isKept(old)) return;
  patchAttributes(old, fresh);
  if (!CONTROLS.has(old.nodeName)) patchChildren(old, fresh);
}

function patchAttributes(old, fresh) {
  // The form's token is as good as the new one, and a hidden value may be a script's.
  if (CONTROLS.has(old.nodeName)) return;
  const isChosen = old.nodeName === "TR" && old.classList.contains("selected");
  for (const { name, value } of [...fresh.attributes]) {
    if (!PERSONAL.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!PERSONAL.has(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  if (isChosen) old.classList.add("selected");
}

function isSelected(node) {
  const selection = document.getSelection();
  if (selection === null || selection.isCollapsed) return false;
  return selection.containsNode(node, true);
}
