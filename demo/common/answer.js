// Shows when the result is not for the current text. `element` is the component's root.

let full = false;  // whether typing or pasting reached the limit

const entered = () => document.querySelector(".text-input textarea");
/** A text as the server's markup gives it back. */
const given = (text) => text.toWellFormed().replaceAll("\0", "\ufffd");

function compareTexts() {
  const answer = element.querySelector(".answer");
  const text = entered();
  if (!answer || !text) return;
  const { state, run, text: shown } = answer.dataset;
  const busy = ["running", "timing"].includes(state), found = ["timing", "done"].includes(state);
  full = full && text.value.length >= text.maxLength;  // an example or a file may have replaced it
  const changed = found && shown !== given(text.value);
  answer.toggleAttribute("data-changed", changed);
  answer.toggleAttribute("data-cut", full);
  // A view is drawn after the answer, and shows an earlier run until then.
  document.querySelectorAll("[data-run]:not(.answer)").forEach((view) => {
    view.toggleAttribute("data-old", view.dataset.run !== run);
  });
  document.body.toggleAttribute("data-stale", changed || !found);
  document.body.toggleAttribute("data-busy", busy);
}

document.addEventListener("input", (event) => {
  const text = entered();
  if (event.target !== text) return;
  full = text.maxLength > 0 && text.value.length >= text.maxLength;
  compareTexts();
}, true);
document.addEventListener("shown", compareTexts);

/** Opens Why at a word, for the strategy that the answer speaks of. */
function explainWord({ word, strategy }) {
  Object.assign(document.body.dataset, { word, run: element.querySelector(".answer").dataset.run });
  const choices = [...document.querySelectorAll(".strategy-shown input")];
  choices.find((one) => one.value === strategy && !one.checked)?.click();
  [...document.querySelectorAll("[role=tab]")].find((one) => one.textContent.trim() === "Why")?.click();
  document.dispatchEvent(new Event("word"));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest(".answer .to-word, .bet[data-told] .word");
  if (button) explainWord(button.dataset);
  if (event.target.closest("button.cancel")) document.querySelector("button.run")?.focus();  // Cancel will disappear
});

compareTexts();
watch("value", compareTexts);
