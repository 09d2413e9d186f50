// Small behaviours; every page reads without them.
document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const text = document.getElementById(copy.dataset.copy).textContent;
    await navigator.clipboard.writeText(text.trim());
    const before = copy.textContent;
    copy.textContent = "Copied";
    document.getElementById("announcements").textContent = "Copied to the clipboard";
    setTimeout(() => { copy.textContent = before; }, 1500);
  }
  const theme = event.target.closest("[data-theme-toggle]");
  if (theme) {
    const root = document.documentElement;
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("licet-theme", root.dataset.theme);
  }
});
// Times in the reader's own zone; UTC stays in the title.
for (const time of document.querySelectorAll("time[datetime][data-local]")) {
  const moment = new Date(time.dateTime);
  time.title = `${time.dateTime} (UTC)`;
  time.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}
