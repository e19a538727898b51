// Shows the chosen word's scores. All text is set as text, never as markup.

function cell(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

function choose(index) {
  const word = element.querySelector(`.word[data-word="${index}"]`);
  if (!word) return;
  point(index);
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
  const frame = word.offsetParent && element.querySelector(".words");
  if (frame) frame.scrollTop = Math.max(0, word.offsetTop - frame.offsetTop - frame.clientHeight / 2);
}

function pick(event) {
  const part = event.target.closest(".word[data-word]");
  if (part) choose(part.dataset.word);
}

element.addEventListener("focusin", pick);
element.addEventListener("click", pick);

/** Starts with `firstWord`, or with the word that exited last: the one the strategy found hardest. */
function start() {
  const first = firstWord();
  if (first !== undefined) return choose(first);
  const exited = [...all(".word[data-exit]")];
  const last = exited.reduce((best, word) => (Number(word.dataset.exit) > Number(best.dataset.exit) ? word : best), exited[0]);
  choose(last ? last.dataset.word : 0);
}

document.addEventListener("word", start);
start();
watch("value", start);
