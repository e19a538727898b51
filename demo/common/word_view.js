// Shared by the views of a text's words. `element` is the component's root, whose content may be replaced.

const all = (selector) => element.querySelectorAll(selector);

/** Marks everything in the view that belongs to a word. */
function point(index) {
  all("[data-pointed]").forEach((part) => part.removeAttribute("data-pointed"));
  if (index !== undefined) all(`[data-word="${index}"]`).forEach((part) => part.setAttribute("data-pointed", ""));
}

/** The word to start with: the one that the answer's buttons ask for, or that of the first entity not as in dense. */
function firstWord() {
  const view = element.querySelector("[data-text]");
  const { word, text } = document.body.dataset;
  if (word && view?.dataset.text === text) return word;
  return element.querySelector('.words .entity:not([data-kind="same"]) .word')?.dataset.word;
}

/** Keeps one word in the tab order; arrow keys, Home and End move to others. */
function rove(event) {
  const word = event.target.closest(".word[data-word]");
  if (!word) return;
  const words = [...all(".word[data-word]")];
  const index = words.indexOf(word);
  const target = { ArrowRight: index + 1, ArrowDown: index + 1, ArrowLeft: index - 1, ArrowUp: index - 1, Home: 0,
    End: words.length - 1 }[event.key];
  if (target === undefined || !words[target]) return;
  event.preventDefault();
  word.tabIndex = -1;
  words[target].tabIndex = 0;
  words[target].focus();
}

/** Has `answer.js` check whether this is the current text. */
const report = () => document.dispatchEvent(new Event("shown"));

element.addEventListener("keydown", rove);
report();
watch("value", report);
