// Hides entities below a score, here and in the cards' counts, and copies the table. `element` is the component's root, whose content is replaced.

function hide() {
  const range = element.querySelector(".threshold input");
  if (!range) return;
  const least = Number(range.value);
  element.querySelectorAll("[data-score]").forEach((part) => {
    part.toggleAttribute("data-below", Number(part.dataset.score) < least);
  });
  const marks = [...element.querySelectorAll(".found .mark")];
  const hidden = marks.filter((mark) => mark.hasAttribute("data-below")).length;
  element.querySelector(".threshold output").textContent = `${least.toFixed(2)}: hides ${hidden} of ${marks.length}`;
  document.querySelectorAll(".card [data-scores]").forEach((count) => {
    const scores = count.dataset.scores.split(" ").filter(Boolean).map(Number);
    const shown = scores.filter((score) => score >= least).length;
    count.textContent = shown === scores.length ? `${shown}` : `${shown} of ${scores.length}`;
  });
}

element.addEventListener("input", (event) => { if (event.target.closest(".threshold")) hide(); });
document.addEventListener("cards", hide);
watch("value", hide);  // the slider keeps its value when the texts are replaced

element.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy");
  if (!button) return;
  const rows = [...element.querySelectorAll(".entities tr:not([data-below])")];
  const lines = rows.map((row) => [...row.cells].map((cell) => cell.textContent.replace(/\s+/g, " ")).join("\t"));
  try {
    await navigator.clipboard.writeText(lines.join("\n"));
    button.textContent = "Copied";
  } catch {  // browsers allow it only over HTTPS and on the same machine
    button.textContent = "Copying is not allowed here: download the file";
  }
});
