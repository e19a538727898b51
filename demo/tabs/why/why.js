// Shows the chosen word's scores and sorts the table. All text is set as text, never as markup.

function cell(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

function choose(index) {
  const word = element.querySelector(`.word[data-word="${index}"]`);
  const row = element.querySelector(`tr[data-word="${index}"]`);
  if (!word || !row) return;
  point(index);
  all(".word[aria-selected=true]").forEach((other) => other.setAttribute("aria-selected", "false"));
  word.setAttribute("aria-selected", "true");
  const table = document.createElement("table");
  const gates = JSON.parse(row.dataset.gates);
  JSON.parse(element.querySelector(".why").dataset.scores).forEach(([name, used], place) => {
    const line = table.insertRow();
    line.classList.toggle("unused", !used);
    line.append(cell("th", name));
    line.firstChild.scope = "row";
    gates.forEach((gate) => line.append(cell("td", gate[place])));
  });
  const detail = element.querySelector(".detail");
  detail.replaceChildren(cell("h4", word.getAttribute("aria-label")), table);
  const frame = word.offsetParent && element.querySelector(".words");
  if (frame) frame.scrollTop = Math.max(0, word.offsetTop - frame.offsetTop - frame.clientHeight / 2);
}

function sort(button) {
  const head = button.closest("th");
  const ascending = head.getAttribute("aria-sort") !== "ascending";
  const place = [...head.parentNode.children].indexOf(head);
  all("th[aria-sort]").forEach((other) => other.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const body = element.querySelector(".all-words tbody");
  const text = (row) => row.cells[place].textContent;
  const rows = [...body.rows].sort((a, b) => text(a).localeCompare(text(b), undefined, { numeric: true }));
  body.replaceChildren(...(ascending ? rows : rows.reverse()));
}

function pick(event) {
  const part = event.target.closest("[data-word]");
  if (part) choose(part.dataset.word);
}

element.addEventListener("focusin", pick);
element.addEventListener("click", (event) => {
  const button = event.target.closest("th button");
  if (button) sort(button);
  else pick(event);
});

/** Turns the table's heads into buttons that sort it. */
function makeSortable() {
  all(".all-words th").forEach((head, place) => {
    head.setAttribute("aria-sort", place ? "none" : "ascending");
    head.replaceChildren(cell("button", head.textContent));
  });
}

/** Starts with `firstWord`, or with the word that exited last: the one the strategy found hardest. */
function start() {
  if (!element.querySelector(".all-words th button")) makeSortable();
  const first = firstWord();
  if (first !== undefined) return choose(first);
  const exited = [...all(".word[data-exit]")];
  const last = exited.reduce((best, word) => (Number(word.dataset.exit) > Number(best.dataset.exit) ? word : best), exited[0]);
  choose(last ? last.dataset.word : 0);
}

document.addEventListener("word", start);
start();
watch("value", start);
