// Keeps details open while refined times replace the cards. `element` is the component's root.

const opened = new Set();
const lists = () => [...element.querySelectorAll("details")];
const key = (list) => `${lists().indexOf(list)} ${list.textContent}`;  // identifies a card with the same content

element.addEventListener("toggle", (event) => {
  if (event.target.open) opened.add(key(event.target));
  else opened.delete(key(event.target));
}, true);  // toggle events do not bubble
watch("value", () => {
  for (const list of lists()) list.open = opened.has(key(list));
  document.dispatchEvent(new Event("cards"));  // `texts.js` counts their entities
});
