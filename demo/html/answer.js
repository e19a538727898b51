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
  const changed = ["timing", "done"].includes(state) && shown !== String(checksum(text.value));
  answer.toggleAttribute("data-changed", changed);
  answer.toggleAttribute("data-cut", text.maxLength > 0 && text.value.length >= text.maxLength);
  document.body.toggleAttribute("data-stale", changed || !["timing", "done"].includes(state));
  document.body.toggleAttribute("data-busy", ["running", "timing"].includes(state));
}

document.addEventListener("input", (event) => { if (event.target === entered()) compareTexts(); }, true);
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
