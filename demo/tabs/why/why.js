// Shows the chosen word's scores. All text is set as text, never as markup. `element` is the component's root, whose
// content may be replaced.

const all = (selector) => element.querySelectorAll(selector);

/** The word to start with: the one that the answer's buttons ask for, or that of the first entity not as in dense. */
function firstWord() {
  const { word, run } = document.body.dataset;
  if (element.querySelector(`.why[data-run="${run}"] .word[data-word="${word}"]`)) return word;
  return element.querySelector('.words .entity:not([data-kind="same"]) .word')?.dataset.word;
}

function cell(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

function choose(index) {
  const word = element.querySelector(`.word[data-word="${index}"]`);
  if (!word) return;
  all(".word[aria-selected=true]").forEach((other) => other.setAttribute("aria-selected", "false"));
  word.setAttribute("aria-selected", "true");
  const { scores, words } = element.querySelector(".why").dataset;
  const table = document.createElement("table");
  const gates = JSON.parse(words)[index];
  JSON.parse(scores).forEach(([name, used], place) => {
    const line = table.insertRow();
    line.classList.toggle("unused", !used);
    line.append(cell("th", name));
    line.firstChild.scope = "row";
    gates.forEach((gate) => line.append(cell(place ? "td" : "th", gate[place])));
  });
  const detail = element.querySelector(".detail");
  detail.replaceChildren(cell("h4", word.getAttribute("aria-label")), table);
  detail.scrollLeft = detail.scrollWidth;  // to the last gate that the word reached
  const frame = word.offsetParent && element.querySelector(".words");
  if (frame) frame.scrollTop = Math.max(0, word.offsetTop - frame.offsetTop - frame.clientHeight / 2);
}

function pick(event) {
  const part = event.target.closest(".word[data-word]");
  if (part) choose(part.dataset.word);
}

element.addEventListener("focusin", pick);
element.addEventListener("click", pick);

/** Starts with `firstWord`, or with the word that exited last: the one the strategy found hardest; not with a comma. */
function start() {
  const first = firstWord();
  if (first !== undefined) return choose(first);
  const exited = [...all(".word[data-exit]")].filter((word) => /[\p{L}\p{N}]/u.test(word.textContent));
  const last = exited.reduce((best, word) => (Number(word.dataset.exit) > Number(best.dataset.exit) ? word : best), exited[0]);
  choose(last ? last.dataset.word : 0);
}

function shown() {
  document.dispatchEvent(new Event("shown"));  // `answer.js` checks whether this is the current text
  start();
}

document.addEventListener("word", () => {
  start();
  element.querySelector(".word[aria-selected=true]")?.scrollIntoView({ block: "center" });
});
shown();
watch("value", shown);
