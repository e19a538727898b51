// Says when what is shown is not of the text that is entered. `element` is the component's root.

const MODULUS = 65521;

/** Adler-32 of the UTF-8 form, as in `demo.html.answer.checksum`. */
function checksum(text) {
  let a = 1, b = 0;
  for (const byte of new TextEncoder().encode(text)) {
    a = (a + byte) % MODULUS;
    b = (b + a) % MODULUS;
  }
  return b * 65536 + a;
}

let stopped = false;  // by Cancel: entities that still arrive are not timed again

const entered = () => document.querySelector(".text-input textarea");

function compareTexts() {
  const answer = element.querySelector(".answer");
  const text = entered();
  if (!answer || !text) return;
  if (answer.dataset.state === "running") stopped = false;
  if (stopped && answer.dataset.state === "timing") answer.dataset.state = "done";
  const { state, text: shown } = answer.dataset;
  const now = String(checksum(text.value));
  const changed = ["timing", "done"].includes(state) && shown !== now;
  answer.toggleAttribute("data-changed", changed);
  answer.toggleAttribute("data-cut", text.maxLength > 0 && text.value.length >= text.maxLength);
  // A view is drawn after the answer, and may be that of an earlier text until then.
  document.querySelectorAll("[data-text]:not(.answer)").forEach((view) => {
    view.toggleAttribute("data-old", view.dataset.text !== now);
  });
  document.body.toggleAttribute("data-stale", changed || !["timing", "done"].includes(state));
  document.body.toggleAttribute("data-busy", ["running", "timing"].includes(state));
}

document.addEventListener("input", (event) => { if (event.target === entered()) compareTexts(); }, true);
document.addEventListener("shown", compareTexts);
document.addEventListener("settled", () => {
  const answer = element.querySelector(".answer[data-state=timing]");
  if (answer) answer.dataset.state = "done";
  compareTexts();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) document.querySelector("button.run")?.click();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("button.cancel")) return;
  stopped = true;
  compareTexts();
});

compareTexts();
watch("value", compareTexts);
