// Says, while the arguments of an event are typed, whether they are a JSON list, and where not.

const field = document.querySelector("textarea.realtime-json");
const verdict = document.getElementById("realtime-verdict");

function kind(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  return typeof value;
}

// Chromium sometimes gives a position; other browsers say where in their own words.
function place(message, text) {
  const position = /position (\d+)/.exec(message);
  if (position === null) return "";
  const before = text.slice(0, Number(position[1])).split("\n");
  return ` at line ${before.length}, column ${before.at(-1).length + 1}`;
}

function judge(text) {
  if (text.trim() === "") return { good: true, says: "No arguments." };
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error.message
      .replace(/^JSON(\.parse| Parse error): /, "")
      .replace(/,? ("|\.\.\.).* is not valid JSON$/s, "")
      .replace(/ (in JSON )?at position.*/, "");
    return { good: false, says: `Not JSON${place(error.message, text)}: ${reason}.` };
  }
  if (!Array.isArray(value)) {
    return { good: false, says: `This must be a list, in brackets: [${text.trim().slice(0, 40)}]` };
  }
  if (value.length === 0) return { good: true, says: "No arguments." };
  const kinds = value.map(kind).join(", ");
  return { good: true, says: `${value.length} argument${value.length > 1 ? "s" : ""}: ${kinds}.` };
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
