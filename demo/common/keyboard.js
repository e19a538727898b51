// What the keyboard does on the page, and what of it Gradio leaves out.

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) document.querySelector("button.run")?.click();
  if (event.target.matches(".word[data-word]")) return rove(event);
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || !event.target.matches("[role=tab]")) return;
  const tabs = [...event.target.closest("[role=tablist]").querySelectorAll("[role=tab]")];
  const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
  next.click();
  next.focus();
});

/** Keeps one word of a text in the tab order; arrow keys, Home and End move to others. */
function rove(event) {
  const word = event.target;
  const words = [...word.closest(".words, .sentence").querySelectorAll(".word[data-word]")];
  const index = words.indexOf(word);
  const target = { ArrowRight: index + 1, ArrowDown: index + 1, ArrowLeft: index - 1, ArrowUp: index - 1, Home: 0,
    End: words.length - 1 }[event.key];
  if (target === undefined || !words[target]) return;
  event.preventDefault();
  word.tabIndex = -1;
  words[target].tabIndex = 0;
  words[target].focus();
}

/** Code scrolls, so Tab reaches it; radio buttons of one name are one stop, within which arrows move. */
function reach() {
  document.querySelectorAll(".cm-scroller").forEach((code) => { code.tabIndex = 0; });
  document.querySelectorAll("fieldset").forEach((group, index) => {
    group.querySelectorAll("input[type=radio]").forEach((radio) => { radio.name = `choice-${index}`; });
  });
}
reach();
new MutationObserver(reach).observe(document.body, { childList: true, subtree: true });
