// Plays and saves the race. `element` is the component's root, whose content may be replaced.

const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
let played = null;  // number of the run that has played
const watcher = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && play(), { threshold: 0.3 });

const pictures = () => [...element.querySelectorAll("svg")];
const end = () => Number(element.querySelector(".race").dataset.end);

function seek(seconds) {
  pictures().forEach((picture) => {
    picture.pauseAnimations();
    picture.setCurrentTime(seconds);
  });
}

function play() {
  watcher.disconnect();
  played = element.querySelector(".race").dataset.run;
  seek(0);
  pictures().forEach((picture) => picture.unpauseAnimations());
  requestAnimationFrame(stopAtEnd);
}

function stopAtEnd() {
  const [picture] = pictures();
  if (!picture || picture.animationsPaused()) return;
  if (picture.getCurrentTime() >= end()) seek(end());
  else requestAnimationFrame(stopAtEnd);
}

/** Plays once when the times of a run are there, a bet was made or skipped, and it is in sight; before, it waits. */
function start() {
  const race = element.querySelector(".race");
  document.dispatchEvent(new Event("shown"));
  watcher.disconnect();
  if (!race) return;
  const timed = "timed" in race.dataset && !document.body.hasAttribute("data-betting");
  if (timed && (still || race.dataset.run === played)) return seek(end());
  seek(0);
  if (timed) pictures().forEach((picture) => watcher.observe(picture));
}

/** Saves the wide picture; it keeps its own colours and plays by itself. */
function save() {
  const picture = element.querySelector(".wide svg").cloneNode(true);
  const [, , width, height] = picture.getAttribute("viewBox").split(" ");
  picture.setAttribute("viewBox", `-16 -12 ${Number(width) + 32} ${Number(height) + 24}`);
  picture.insertAdjacentHTML("afterbegin", `<rect x="-16" y="-12" width="100%" height="100%" fill="white"/>`);
  const content = new XMLSerializer().serializeToString(picture);
  document.dispatchEvent(new CustomEvent("save", { detail: { name: "race.svg", content, type: "image/svg+xml" } }));
}

element.addEventListener("click", (event) => {
  if (event.target.closest(".save")) save();
  if (!event.target.closest(".play")) return;
  pictures().find((picture) => picture.getBoundingClientRect().height)?.scrollIntoView({ block: "nearest" });
  play();
});

start();
document.addEventListener("bet", start);
watch("value", start);
