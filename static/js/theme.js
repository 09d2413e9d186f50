// Before the first paint: the theme that the reader chose, else the system's.
const chosen = localStorage.getItem("licet-theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
