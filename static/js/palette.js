// The command palette: Ctrl K or / opens the search of /search/ in a dialog.
const palette = document.getElementById("palette");

function openPalette() {
  palette.showModal();
  const field = palette.querySelector("input");
  field.select();
  if (!palette.querySelector("#findings a")) htmx.trigger(field, "search");
}

if (palette) {
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    const asked = (event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing);
    if (asked && !palette.open) {
      event.preventDefault();
      openPalette();
    }
  });
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-palette]");
    if (opener) {
      event.preventDefault();
      openPalette();
    }
    if (event.target === palette) palette.close();
  });
  palette.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const stops = [palette.querySelector("input"), ...palette.querySelectorAll("#findings a")];
    const here = stops.indexOf(document.activeElement);
    const next = here + (event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
    stops[(next + stops.length) % stops.length].focus();
  });
  // Enter goes to the first finding for the words as they stand, also when they are still asked for.
  const field = palette.querySelector("input");
  let goes = false;
  const goToFirst = () => {
    const shown = palette.querySelector("#findings [data-words]");
    if (!shown || shown.dataset.words !== field.value.trim()) return false;
    const first = shown.querySelector("a");
    if (first) first.click();
    return true;
  };
  palette.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    goes = !goToFirst();
  });
  palette.addEventListener("htmx:afterSwap", () => {
    if (goes) goes = !goToFirst();
  });
  field.addEventListener("input", () => { goes = false; });
}
