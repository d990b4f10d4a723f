// Says, while the arguments of an event are typed, whether they are a JSON list, and where not.

const field = document.querySelector("textarea.realtime-json");
const verdict = document.getElementById("realtime-verdict");
const texts = JSON.parse(verdict?.dataset.texts ?? "{}");

function say(name, values = {}) {
  return texts[name].replace(/%\((\w+)\)s/g, (_, key) => values[key]);
}

function kind(value) {
  if (value === null) return texts.null;
  return texts[Array.isArray(value) ? "list" : typeof value];
}

// Chromium sometimes gives a position; other browsers say where in their own words.
function place(message, text) {
  const position = /position (\d+)/.exec(message);
  if (position === null) return null;
  const before = text.slice(0, Number(position[1])).split("\n");
  return { line: before.length, column: before.at(-1).length + 1 };
}

function judge(text) {
  if (text.trim() === "") return { good: true, says: say("none") };
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error.message
      .replace(/^JSON(\.parse| Parse error): /, "")
      .replace(/,? ("|\.\.\.).* is not valid JSON$/s, "")
      .replace(/ (in JSON )?at position.*/, "");
    const found = place(error.message, text);
    return { good: false, says: say(found ? "notJSONAt" : "notJSON", { ...found, reason }) };
  }
  if (!Array.isArray(value)) {
    return { good: false, says: `${say("notList")} [${text.trim().slice(0, 40)}]` };
  }
  if (value.length === 0) return { good: true, says: say("none") };
  const kinds = value.map(kind).join(", ");
  return { good: true, says: say(value.length > 1 ? "many" : "one", { count: value.length, kinds }) };
}

function check() {
  const { good, says } = judge(field.value);
  if (verdict.textContent !== says) verdict.textContent = says;
  verdict.classList.toggle("realtime-wrong", !good);
  field.setAttribute("aria-invalid", String(!good));
  field.setCustomValidity(good ? "" : says);
}

if (field && verdict) {
  field.setAttribute("aria-describedby", `${verdict.id} ${field.id}_helptext`);
  field.addEventListener("input", check);
  window.addEventListener("pageshow", check);
  field.form.noValidate = false;
  check();
}
