// Hides entities below a score and copies the table. `element` is the component's root, whose content is replaced.

function hide() {
  const range = element.querySelector(".threshold input");
  if (!range) return;
  const least = Number(range.value);
  element.querySelector(".threshold output").textContent = least.toFixed(2);
  element.querySelectorAll("[data-score]").forEach((part) => {
    part.toggleAttribute("data-below", Number(part.dataset.score) < least);
  });
}

element.addEventListener("input", (event) => { if (event.target.closest(".threshold")) hide(); });
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
