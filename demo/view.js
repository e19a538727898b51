// Draws `props.value`, which `demo.view` makes: columns of words with their ink, the race and the why.
// The address follows. Texts become text nodes, never markup. `element` is the component's root.

const RACE_S = 6, LOOP_S = 9;
const WORK = "Work: the share of words × layers that was computed; all layers are 100 %.";
const TIME = "Milliseconds: for this text, on the app's machine; the median of a few passes.";
const root = element.querySelector(".view");
let data = {}, before = null;

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  Object.entries(attributes).forEach(([name, value]) => value !== undefined && made.setAttribute(name, value));
  made.append(...children);
  return made;
}
const button = (text, act, kind = "link") => {
  const made = make("button", { type: "button", class: kind }, text);
  made.addEventListener("click", act);
  return made;
};
const percent = (share) => `${(100 * share).toFixed(share > 0.995 && share < 1 ? 1 : 0)} %`;
const depth = ([layer, state], column) => (state === "exited" ? layer : column.total);
const slowest = () => Math.max(...data.columns.map(({ ms }) => ms));
const ink = (word, column) => Math.max(1, Math.ceil((6 * depth(word, column)) / column.total));

function draw() {
  before = data.columns ? data : before;
  data = props.value ?? {};
  if (data.error) return root.replaceChildren(make("p", { class: "alert", role: "alert" }, data.error));
  if (!data.columns) return;
  const aside = make("aside", { class: "why", "aria-live": "polite", "aria-label": "Why", hidden: "" });
  root.replaceChildren(
    legend(),
    ...(data.cut ? [make("p", { class: "alert" }, data.cut)] : []),
    make("p", { class: "note moved", role: "status" }, [data.corrected, moved()].filter(Boolean).join(" ")),
    make("div", { class: "body" }, make("div", { class: "columns" }, ...data.columns.map(drawColumn)), aside),
    tools(),
    make("p", { class: "note" }, `${WORK} ${TIME}`),
    make("style", {}, keyframes()),
  );
  root.classList.remove("playing");
  if (data.play) play();
  const explained = data.explain && (root.querySelector("[data-state=recovered]") ?? root.querySelector("[data-kind=missed] .w"));
  if (explained) choose(explained);
  keep();
}

function legend() {
  const inks = data.layers === 6 ? [1, 2, 3, 4, 5, 6] : [1, 6], last = data.layers === 6 ? 6 : "last";
  const steps = inks.map((step) => make("b", { class: "ink", style: `background: var(--ink-${step})` }, step === 6 ? last : step));
  const types = data.types.slice(0, 8).map((type, index) => make("b", { style: `color: var(--type-${index % 6})` }, `${type} `));
  return make("p", { class: "legend" }, make("span", {}, "Left after layer ", ...steps), make("span", {}, ...types));
}

function drawColumn(column, place) {
  const figures = [[column.work, "of the work", WORK], [`${column.ms.toFixed(1)} ms`, "here", TIME],
    [column.count, [column.count === 1 ? "entity" : "entities", column.differences].filter(Boolean).join(": ")]];
  return make("section", { class: "column", "aria-label": column.title, "data-name": column.name },
    make("h2", { title: column.id }, column.title, ...(data.columns.length > 1 ? [beside(place)] : [])),
    make("dl", { class: "figures" }, ...figures.map(([figure, of, title], index) => make("div", { title },
      make("dt", {}, of), make("dd", { class: index === 1 ? "ms" : undefined }, String(figure))))),
    drawWords(column, place));
}

/** On a phone, where one column is in sight: the way to the next. */
function beside(place) {
  const next = (place + 1) % data.columns.length;
  return button(data.columns[next].title.split(" (")[0], () =>
    root.querySelectorAll(".column")[next].scrollIntoView({ block: "nearest", inline: "start" }), "link narrow next");
}

function drawWords(column, place) {
  const box = make("div", { class: "words", role: "listbox", "aria-orientation": "horizontal", "aria-label": `Words, ${column.title}` });
  const starts = new Map(column.entities.map((entity) => [entity[0], entity]));
  let open = box, last = -1;
  data.words.forEach(([gap, text], index) => {
    const inside = index <= last;
    if (!inside) open = box;
    open.append(gap);
    const entity = inside ? undefined : starts.get(index);
    if (entity) {
      last = entity[1];
      open = make("span", { class: "entity", role: "presentation", "data-type": data.types[entity[2]],
        "data-kind": kind(entity, column), style: `--colour: var(--type-${entity[2] % 6})` });
      box.append(open);
    }
    const word = column.words[index], step = ink(word, column);
    const named = open !== box && open.dataset.kind !== "missed";
    const said = word[1] === "exited" ? `left after layer ${word[0]}` : word[1] === "kept" ? "all layers" : "came back";
    open.append(make("span", {
      class: `w c${place}l${depth(word, column)}`, role: "option", "aria-selected": "false", tabindex: index ? -1 : 0,
      "data-word": index, "data-column": place, "data-state": word[1], "aria-label": `${text}: ${said}`,
      style: `--share: ${Math.round((100 * step) / 6)}%; --now: ${named ? "var(--colour)" : `var(--ink-${step})`}`,
    }, text));
  });
  box.append(data.rest);
  return box;
}

/** How an entity differs: from that under all layers or, in that column, whether another column lacks it. */
function kind(entity, column) {
  if (column.name !== "dense") return entity[3];
  const has = (other) => other.entities.some((one) => one[3] !== "missed" && [0, 1, 2].every((at) => one[at] === entity[at]));
  return data.columns.every(has) ? "same" : "differs";
}

/** What changed settings do, against their preset. */
const moved = () => data.columns.filter(({ preset }) => preset)
  .map(({ title, work, preset }) => `${title}: ${work} of the work on this text, ${preset} at the preset.`).join(" ");

// The race

/** When a word leaves that `column` computes up to a layer, in seconds of the race. */
function leaves(column, layer) {
  return (RACE_S * (column.ms / slowest()) * (layer ? column.ends[layer - 1] ?? 1 : 0));
}

function keyframes() {
  const rules = [];
  data.columns.forEach((column, place) => {
    for (let layer = 0; layer <= column.total; layer += 1) {
      const at = (100 * leaves(column, layer)) / LOOP_S, name = `c${place}l${layer}`;
      rules.push(`@keyframes ${name} { 0%, ${at.toFixed(1)}% { color: var(--ink-6) } ${(at + 4).toFixed(1)}%, 100% { color: var(--now) } }`,
        `.playing .${name} { animation: ${name} ${LOOP_S}s linear both }`);
    }
  });
  return rules.join("\n");
}

let frame = 0;
function play() {
  cancelAnimationFrame(frame);
  root.classList.add("playing");
  const clocks = [...root.querySelectorAll(".ms")], begin = performance.now();
  const tick = () => {
    const at = Math.min(1, (performance.now() - begin) / 1000 / RACE_S) * slowest();
    clocks.forEach((clock, place) => { clock.textContent = `${Math.min(at, data.columns[place].ms).toFixed(1)} ms`; });
    if (at < slowest()) frame = requestAnimationFrame(tick);
    else setTimeout(() => root.classList.remove("playing"), 1000 * (LOOP_S - RACE_S));
  };
  tick();
}

// Why

function choose(word) {
  root.querySelectorAll("[aria-selected=true]").forEach((other) => other.setAttribute("aria-selected", "false"));
  word.setAttribute("aria-selected", "true");
  const index = Number(word.dataset.word), column = data.columns[word.dataset.column];
  const [, state, label, probability, gates, decoder] = column.words[index];
  const lines = gates.map(([layer, guess, certainty, value, limit, reason]) =>
    `After layer ${layer}: ${data.labels[guess]}, ${percent(certainty)} certain.`
    + (value === null || limit === null ? "" : ` ${column.measure[0].toUpperCase()}${column.measure.slice(1)}: ${value}; limit ${limit}.`)
    + (reason ? ` It ${data.reasons[reason]}.` : ""));
  if (state === "recovered") lines.push(`It came back, since ${column.back[index] ?? "its window was in doubt"}, and went through all layers.`);
  if (state === "kept") lines.push(`It went through all ${column.total} layers.`);
  if (decoder) lines.push(`The decoder changed its label: ${decoder}.`);
  const aside = root.querySelector(".why");
  aside.replaceChildren(make("h3", {}, data.words[index][1]), make("p", { class: "note" }, column.title),
    make("ol", {}, ...lines.map((line) => make("li", {}, line))),
    make("p", {}, make("b", {}, `${data.labels[label]}, ${percent(probability)} certain`)), button("Close", () => hide(word)));
  aside.hidden = false;
  root.querySelector(".body").classList.add("asks");
  root.style.setProperty("--why", `${aside.offsetHeight + 8}px`);
  word.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function hide(word) {
  root.querySelector(".why").hidden = true;
  root.querySelector(".body").classList.remove("asks");
  word?.focus();
}

root.addEventListener("click", ({ target }) => {
  const word = target.closest(".w");
  if (word) choose(word);
});
root.addEventListener("keydown", (event) => {
  const word = event.target.closest(".w");
  if (event.key === "Escape") return hide(root.querySelector("[aria-selected=true]"));
  if (!word) return undefined;
  if (event.key === "Enter" || event.key === " ") word.click();
  const words = [...word.closest(".words").querySelectorAll(".w")], index = words.indexOf(word);
  const step = { ArrowRight: index + 1, ArrowDown: index + 1, ArrowLeft: index - 1, ArrowUp: index - 1, Home: 0, End: words.length - 1 };
  const next = words[step[event.key]];
  if (next) {
    word.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
  if (next || event.key === " ") event.preventDefault();
});

// Links

/** Sets the address; a change of settings alone is no page to go back to. */
function go(act, query, fragment = "") {
  const theme = new URLSearchParams(location.search).get("__theme");
  history[act](null, "", location.pathname + query + (theme ? `&__theme=${theme}` : "") + fragment);
}

const names = ({ columns, link }) => JSON.stringify([columns.map(({ name }) => name), /lesson=\d+/.exec(link)]);

async function copy(said, fragment) {
  go("replaceState", data.link, fragment);
  const line = root.querySelector(".moved");
  try {  // browsers allow it only over HTTPS and on the same machine
    await navigator.clipboard.writeText(location.href);
    line.textContent = said;
  } catch {
    line.textContent = said.replace("Link copied.", "The link is in the address bar.");
  }
}

const text = ({ words, rest }) => words.map((pair) => pair.join("")).join("") + rest;

function tools() {
  const holds = data.own ? "the settings, not your text" : "the settings and the example";
  return make("p", { class: "tools" },
    button("Copy link", () => copy(`Link copied. It holds ${holds}.`)),
    ...(data.own && !data.cut ? [button("Copy link with the text", () => copy(
      "Link copied. The text is not in the address that travels, but this app's server tags it when the link is opened.",
      `#text=${encodeURIComponent(text(data))}`))] : []));
}

/** The address is that of what is shown, and a visitor's own text survives a reload, in this tab alone. */
function keep() {
  if (before && data.link !== before.link) {
    const same = names(data) === names(before) && text(data) === text(before);
    if (!same && !data.opened) go("replaceState", before.link);
    go(same || data.opened ? "replaceState" : "pushState", data.link);
  }
  try {
    if (data.own && !data.cut) sessionStorage.setItem("text", text(data));
    else if (before) sessionStorage.removeItem("text");
  } catch { /* no storage, or full */ }
}

addEventListener("popstate", () => location.reload());
draw();
watch("value", draw);
