// The head of the page. `element` is the component's root.

// The tour: each step outlines its part of the page.

const tour = element.querySelector(".tour");
const steps = [...tour.querySelectorAll(".step")];
let step = -1;

function showStep(number) {
  document.querySelectorAll("[data-toured]").forEach((part) => part.removeAttribute("data-toured"));
  step = number < steps.length ? number : -1;
  tour.hidden = step < 0;
  steps.forEach((one, index) => { one.hidden = index !== step; });
  if (step < 0) return element.querySelector(".tour-start").focus();
  tour.querySelector(".next").textContent = step === steps.length - 1 ? "Done" : "Next";
  const part = document.querySelector(steps[step].dataset.target);
  if (part) {
    const panel = part.closest("[role=tabpanel]");
    if (panel) document.querySelector(`[role=tab][aria-controls="${panel.id}"]`)?.click();  // it may not be open
    part.dataset.toured = "";
    part.scrollIntoView({ block: "nearest" });
  }
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches(".tour-start")) { showStep(0); tour.querySelector(".next").focus(); }
  if (button.matches(".next")) showStep(step + 1);
  if (button.matches(".end")) showStep(steps.length);
});
element.addEventListener("keydown", (event) => { if (event.key === "Escape" && step >= 0) showStep(steps.length); });
