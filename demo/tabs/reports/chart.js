// Marks: arrow keys move between them, Escape closes the card, click or Enter tries the settings.

const marks = () => [...element.querySelectorAll(".frontier .marks button")];

/** Makes one mark the only one that Tab reaches. */
function reach(button) {
  marks().forEach((mark) => (mark.tabIndex = mark === button ? 0 : -1));
}

function begin() {
  const all = marks();
  if (all.length) reach(all.find((mark) => mark.classList.contains("current")) ?? all[0]);
}

element.addEventListener("focusin", (event) => {
  const button = event.target.closest(".marks button");
  if (button) reach(button);
});

element.addEventListener("keydown", (event) => {
  const button = event.target.closest(".marks button");
  if (!button) return;
  const all = marks();
  const at = all.indexOf(button);
  const places = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: all.length - 1 };
  if (!(event.key in places)) return;
  event.preventDefault();
  all[Math.max(0, Math.min(all.length - 1, places[event.key]))].focus();
});

// Escape also closes the card under the pointer, until the pointer moves or a mark gets the focus.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  element.querySelector(".frontier .marks")?.setAttribute("data-closed", "");
  document.activeElement.closest(".frontier .marks button")?.blur();
});
["focusin", "mousemove"].forEach((kind) => element.addEventListener(kind, (event) => {
  event.target.closest(".marks")?.removeAttribute("data-closed");
}));

element.addEventListener("click", (event) => {
  const button = event.target.closest(".marks button[data-strategy]");
  if (button) trigger("select", { strategy: button.dataset.strategy, point: button.dataset.point });
});

watch("value", begin);
begin();
