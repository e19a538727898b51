// A button tries a strategy on the text; the answer is above the tabs. `element` is the component's root.

element.addEventListener("click", (event) => {
  const button = event.target.closest("button.try");
  if (!button) return;
  trigger("select", { strategy: button.dataset.strategy, point: button.dataset.point });
  document.querySelector(".answer")?.scrollIntoView({ block: "nearest" });
});
