// Copies what a button names, a command or a table with its header, and saves files. `element` is the component's root.

const rowsOf = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent));

/** As spreadsheets take a table from the clipboard. */
const withTabs = (table) => rowsOf(table).map((row) => row.map((cell) => cell.replace(/\s+/g, " ")).join("\t")).join("\n");

/** As spreadsheets read a file: with a byte-order mark, and without cells that they would compute. */
function csvOf(table) {
  const quoted = (cell) => `"${cell.replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
  return "\ufeff" + rowsOf(table).map((row) => `${row.map(quoted).join(",")}\r\n`).join("");
}

async function copy(button, part) {
  try {
    await navigator.clipboard.writeText(part.matches("table") ? withTabs(part) : part.textContent);
    button.textContent = "Copied";
  } catch {  // browsers allow it only over HTTPS and on the same machine
    getSelection().selectAllChildren(part);
    button.textContent = "Press Ctrl+C";
  }
}

function save(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button[data-copies]");
  const part = button && document.querySelector(button.dataset.copies);
  if (part) button.dataset.file ? save(button.dataset.file, csvOf(part), "text/csv") : copy(button, part);
});
document.addEventListener("save", ({ detail: { name, content, type } }) => save(name, content, type));
