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
  palette.querySelector("form").addEventListener("submit", (event) => {
    const first = palette.querySelector("#findings a");
    if (first) {
      event.preventDefault();
      first.click();
    }
  });
}
