/* Keys of the review pages: J and K through rows, U, O and E for the finding, V to unveil. */
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=radio]), textarea, select");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  if (key === "j" || key === "k") {
    const links = [...document.querySelectorAll("[data-rows] tbody th a")];
    const at = links.indexOf(document.activeElement);
    const next = links[Math.max(0, at + (key === "j" ? 1 : -1))];
    if (next) next.focus();
  }
  if (key === "v") document.querySelector("[data-veil]")?.toggleAttribute("data-shown");
  const choice = document.querySelector(`[data-judge] [data-key="${CSS.escape(key)}"]`);
  if (choice) {
    choice.checked = true;
    document.getElementById("reason").focus();
    event.preventDefault();
  }
});
