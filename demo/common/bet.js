// Takes the bet: one tap on a word. Then words fade layer by layer, and the page answers. `element` is the component's
// root, whose content may be replaced.

const LAYER_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 500;
let chosen = null;  // the word
let told = false, skipped = false;

const bet = () => element.querySelector(".bet");

/** Words leave; the answer follows, at once if it was given before. */
function tell() {
  const part = bet(), step = told ? 0 : LAYER_MS;
  const words = [...part.querySelectorAll(".word")];
  words.forEach((word) => {
    word.setAttribute("aria-pressed", String(word.dataset.word === chosen));
    setTimeout(() => word.toggleAttribute("data-left", true), step * word.dataset.exit);
  });
  part.toggleAttribute("data-made", true);
  const layers = Math.max(...words.map((word) => word.dataset.exit));
  setTimeout(() => {
    told = true;
    part.toggleAttribute("data-told", true);
    part.querySelectorAll(`.replies [data-word="${chosen}"], .hint`).forEach((line) => { line.hidden = false; });
  }, step * (layers + 1));
}

/** Until a bet is made or skipped, the race waits. */
function update() {
  const part = bet();
  if (part && skipped) part.hidden = true;
  if (part && chosen !== null) tell();
  const open = Boolean(part) && chosen === null && !skipped;
  if (document.body.hasAttribute("data-betting") === open) return;
  document.body.toggleAttribute("data-betting", open);
  document.dispatchEvent(new Event("bet"));
}

element.addEventListener("click", ({ target }) => {
  const word = target.closest(".word");
  if (word && chosen === null) document.body.dataset.bet = chosen = word.dataset.word;
  else if (target.closest(".skip")) {
    skipped = true;
    document.querySelector("[role=tab].selected")?.focus({ preventScroll: true });
  } else if (target.closest(".share")) return document.querySelector("button.copy-link").click();
  else return;
  update();
});

update();
watch("value", update);
