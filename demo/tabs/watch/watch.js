// The layer slider sets the state of every word; style sheets show it.

const STEP_MS = 1100;
let timer = null;
let opening = !matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Shows the text after layer `at` (0: before the first). */
function show(at) {
  const view = element.querySelector(".layers");
  if (!view) return;
  const last = Number(view.dataset.layers);
  const range = view.querySelector("input");
  range.value = at;
  view.style.setProperty("--at", at);
  all(".words .word").forEach((word) => {
    const final = word.dataset.final ??= word.dataset.state;
    const exited = "exit" in word.dataset && Number(word.dataset.exit) <= at;
    word.dataset.state = exited ? final : "kept";
  });
  all(".words .entity").forEach((entity) => entity.classList.toggle("decided", Number(entity.dataset.decided) <= at));
  const hasGates = "hasGates" in view.dataset;
  let text = `before the first layer${hasGates ? ": no word has exited yet" : ""}`;
  all(".counts li").forEach((row) => {
    const current = Number(row.dataset.layer) === at;
    row.toggleAttribute("data-current", current);
    if (!current) return;
    const { words, exits } = row.dataset;
    const computed = words === "1" ? "1 word" : `${words} words`;
    const then = at === last ? ", and labelled" : hasGates ? `, ${exits} of them exit` : "";
    const done = words === "0" ? "all words have exited" : `${computed} computed${then}`;
    text = `layer ${at} of ${last}: ${done}`;
  });
  view.querySelector(".at").textContent = text;
  range.setAttribute("aria-valuetext", text);
}

/** Moves the slider with transitions; a new text appears without them. */
function move(at) {
  element.querySelector(".layers").toggleAttribute("data-moving", true);
  show(at);
}

/** Shows the text after the last layer. */
function showEnd() {
  const range = element.querySelector(".layers input");
  if (range) show(Number(range.max));
}

function stop() {
  clearInterval(timer);
  timer = null;
  const button = element.querySelector(".play");
  if (button) button.innerHTML = '<span class="icon-play"></span> Play';
}

function play(button) {
  const range = element.querySelector(".layers input");
  if (timer) return stop();
  if (range.value === range.max) move(0);
  button.innerHTML = '<span class="icon-pause"></span> Pause';
  timer = setInterval(() => {
    if (!range.isConnected) return stop();
    move(Number(range.value) + 1);
    if (range.value === range.max) stop();
  }, STEP_MS);
}

/** Marks a word and says what happened to it. */
function describe(index) {
  const word = element.querySelector(`.word[data-word="${index}"]`);
  if (!word) return;
  point(index);
  element.querySelector(".pointed").textContent = word.getAttribute("aria-label");
}

function pick(event) {
  const part = event.target.closest("[data-word]");
  if (part) describe(part.dataset.word);
}

/** Starts after the last layer, or before the first if it is about to play; at the first entity unlike dense. */
function start() {
  stop();
  if (opening) show(0);
  else showEnd();
  describe(firstWord());
  const bars = element.querySelector(".bars");
  if (bars) element.querySelector(".layers").toggleAttribute("data-scrolls", bars.scrollWidth > bars.clientWidth);
}

/** Plays once when the page has opened, unless somebody has moved the slider. */
function playOnce() {
  const button = element.querySelector(".play");
  const range = element.querySelector(".layers input");
  if (opening && button && range.value === "0" && !timer) play(button);
  opening = false;
}

element.addEventListener("input", (event) => {
  stop();
  move(Number(event.target.value));
});
element.addEventListener("click", (event) => {
  const button = event.target.closest(".play");
  if (button) play(button);
});
element.addEventListener("pointerover", pick);
element.addEventListener("focusin", pick);

start();
watch("value", start);
setTimeout(playOnce, 1200);
