// The boxes of a list with actions: all of them at once, a range with Shift, and how many there are.
// Everything is listened to from the form, because the rows come and go while the page is live.

const form = document.getElementById("changelist-form");
const counter = form?.querySelector(".action-counter");

if (counter) {
  let last = null;

  const boxes = () => [...form.querySelectorAll("input.action-select")];

  function count() {
    const all = boxes();
    const chosen = all.filter((box) => box.checked).length;
    counter.textContent = all.length ? counter.dataset.text.replace("{n}", chosen).replace("{all}", all.length) : "";
    for (const box of all) box.closest("tr").classList.toggle("selected", box.checked);
    const toggle = document.getElementById("action-toggle");
    if (toggle) toggle.checked = all.length > 0 && chosen === all.length;
  }

  function range(from, to) {
    const all = boxes();
    const ends = [all.indexOf(from), all.indexOf(to)].sort((a, b) => a - b);
    return ends[0] < 0 ? [to] : all.slice(ends[0], ends[1] + 1);
  }

  form.addEventListener("click", ({ target, shiftKey }) => {
    if (target.id === "action-toggle") {
      for (const box of boxes()) box.checked = target.checked;
    } else if (target.matches("input.action-select")) {
      const meant = shiftKey && last ? range(last, target) : [target];
      for (const box of meant) box.checked = target.checked;
      last = target;
    } else {
      return;
    }
    count();
  });
  form.addEventListener("realtime:refreshed", count);
  // The back button brings ticked boxes back, too.
  window.addEventListener("pageshow", count);
  count();
}
