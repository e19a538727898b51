// Says what a copied link holds, and copies the text with it on request. `element` is the component's root.

const said = element.querySelector(".said");
const more = element.querySelector("button");

async function copy(what) {
  try {  // browsers allow it only over HTTPS and on the same machine
    await navigator.clipboard.writeText(location.href);
    said.textContent = `Link copied. ${what}`;
  } catch {
    said.textContent = `The link is in the address bar. ${what}`;
  }
}

let withText = false;  // whether the link that the server is asked for gets the text
document.addEventListener("link", ({ detail: query }) => {
  const theme = new URLSearchParams(location.search).get("__theme");
  const text = document.querySelector(".text-input textarea").value.toWellFormed();
  const fragment = withText ? `#text=${encodeURIComponent(text)}` : "";
  history.replaceState(null, "", location.pathname + query + (theme ? `&__theme=${theme}` : "") + fragment);
  const [, kind, word] = query.match(/[?&](example|bet)=([^&]*)/) ?? [];
  const example = word && kind === "bet" ? "your bet" : "the example";
  more.hidden = withText || Boolean(kind);
  if (withText) copy("It holds the settings and your text, which comes after the # and is never sent to a server.");
  else copy(kind ? `It holds the settings and ${example}.` : "It holds the settings, not your text.");
  withText = false;
});
more.addEventListener("click", () => {
  withText = true;
  document.querySelector("button.copy-link").click();
});
// A page that finds something else keeps the theme.
document.addEventListener("click", ({ target }) => {
  const other = target.closest(".find a"), theme = new URLSearchParams(location.search).get("__theme");
  if (other && theme) other.search = `__theme=${theme}`;
}, true);
// The text survives a visit to another page.
addEventListener("pagehide", () => {
  try {
    sessionStorage.setItem("text", document.querySelector(".text-input textarea").value);
  } catch { /* no storage, or full */ }
});
