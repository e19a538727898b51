// Copies the command for one's own model. `element` is the component's root.

element.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy");
  if (!button) return;
  const command = element.querySelector("code");
  try {
    await navigator.clipboard.writeText(command.textContent);
    button.textContent = "Copied";
  } catch {  // browsers allow it only over HTTPS and on the same machine
    getSelection().selectAllChildren(command);
    button.textContent = "Press Ctrl+C";
  }
});
