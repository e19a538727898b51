// Shows when the result is not for the current text. `element` is the component's root.

const REMAINDERS = Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

/** CRC-32 of the UTF-8 form, as in `demo.common.answer.checksum`. */
function checksum(text) {
  let crc = -1;
  for (const byte of new TextEncoder().encode(text)) crc = REMAINDERS[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

let stopped = false;  // by Cancel: entities that still arrive are not timed
let full = false;  // whether typing or pasting reached the limit

const entered = () => document.querySelector(".text-input textarea");

function compareTexts() {
  const answer = element.querySelector(".answer");
  const text = entered();
  if (!answer || !text) return;
  if (answer.dataset.state === "running") stopped = false;
  if (stopped && answer.dataset.state === "timing") answer.dataset.state = "done";
  const { state, text: shown } = answer.dataset;
  const now = String(checksum(text.value));
  full = full && text.value.length >= text.maxLength;  // an example or a file may have replaced it
  const changed = ["timing", "done"].includes(state) && shown !== now;
  answer.toggleAttribute("data-changed", changed);
  answer.toggleAttribute("data-cut", full);
  // A view is drawn after the answer and may show an earlier text until then.
  document.querySelectorAll("[data-text]:not(.answer)").forEach((view) => {
    view.toggleAttribute("data-old", view.dataset.text !== now);
  });
  document.body.toggleAttribute("data-stale", changed || !["timing", "done"].includes(state));
  document.body.toggleAttribute("data-busy", ["running", "timing"].includes(state));
}

document.addEventListener("input", (event) => {
  const text = entered();
  if (event.target !== text) return;
  full = text.maxLength > 0 && text.value.length >= text.maxLength;
  compareTexts();
}, true);
document.addEventListener("shown", compareTexts);
document.addEventListener("settled", () => {
  const answer = element.querySelector(".answer[data-state=timing]");
  if (answer) answer.dataset.state = "done";
  compareTexts();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) document.querySelector("button.run")?.click();
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || !event.target.matches("[role=tab]")) return;
  const tabs = [...event.target.closest("[role=tablist]").querySelectorAll("[role=tab]")];
  const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
  next.click();
  next.focus();
});

/** Opens Why at a word, for the strategy that the answer speaks of. */
function explainWord({ word, strategy }) {
  Object.assign(document.body.dataset, { word, text: element.querySelector(".answer").dataset.text });
  const choices = [...document.querySelectorAll(".strategy-shown input")];
  choices.find((one) => one.value === strategy && !one.checked)?.click();
  [...document.querySelectorAll("[role=tab]")].find((one) => one.textContent.trim() === "Why")?.click();
  document.dispatchEvent(new Event("word"));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest(".answer .to-word");
  if (button) explainWord(button.dataset);
  if (!event.target.closest("button.cancel")) return;
  stopped = true;
  document.querySelector("button.run")?.focus();  // Cancel is about to disappear
  compareTexts();
});

compareTexts();
watch("value", compareTexts);
