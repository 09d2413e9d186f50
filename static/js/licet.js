// Small behaviours by delegation; every page reads without them.
const announce = (words) => { document.getElementById("announcements").textContent = words; };

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const label = copy.querySelector("[data-label]") || copy;
    const before = label.textContent;
    try {
      await navigator.clipboard.writeText(document.getElementById(copy.dataset.copy).textContent.trim());
      label.textContent = "Copied";
      announce("Copied to the clipboard");
    } catch {
      getSelection().selectAllChildren(document.getElementById(copy.dataset.copy));
      label.textContent = "Press Ctrl C";
    }
    setTimeout(() => { label.textContent = before; }, 1600);
  }
  const theme = event.target.closest("[data-theme-choice]");
  if (theme) {
    const choice = theme.dataset.themeChoice;
    if (choice === "system") {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem("licet-theme");
    } else {
      document.documentElement.dataset.theme = choice;
      localStorage.setItem("licet-theme", choice);
    }
    markTheme();
  }
  for (const open of document.querySelectorAll("details[data-closes][open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const open of document.querySelectorAll("details[data-closes][open]")) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  }
});

function markTheme() {
  const chosen = document.documentElement.dataset.theme || "system";
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosen));
  }
}

// Times in the reader's own zone; UTC stays in the title.
function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime][data-local]")) {
    const moment = new Date(time.dateTime);
    time.title = time.dateTime.slice(0, 19).replace("T", " ") + " UTC";
    const precise = time.dataset.local === "seconds";
    time.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: precise ? "medium" : "short" });
    time.removeAttribute("data-local");
  }
}

function toast(words, tone) {
  const note = document.createElement("div");
  note.className = `note ${tone}`;
  note.setAttribute("role", "alert");
  note.textContent = words;
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), 8000);
}

// What a form asks before an act that cannot be undone.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// Filters act at once where there is JavaScript; the button stays for who has none.
document.addEventListener("change", (event) => {
  if (event.target.matches("form[data-eager] select")) event.target.form.requestSubmit();
});

// A table that scrolls sideways can be reached and scrolled by keyboard.
function focusableScrollers() {
  for (const wrap of document.querySelectorAll(".table-wrap, .snippet pre")) {
    if (wrap.scrollWidth <= wrap.clientWidth || wrap.tabIndex === 0) continue;
    wrap.tabIndex = 0;
    wrap.setAttribute("role", "region");
    wrap.setAttribute("aria-label", wrap.querySelector("caption")?.textContent || "Scrollable");
  }
}
addEventListener("resize", focusableScrollers);

document.addEventListener("htmx:afterSwap", (event) => {
  localTimes(event.target);
  focusableScrollers();
});
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  toast(status === 403 || status === 404
    ? "You may not do this here, or it is gone. Reload the page."
    : `The server answered ${status}. Nothing was changed that the page does not show; try again.`, "bad");
});
document.addEventListener("htmx:sendError", () => {
  toast("The server could not be reached. This page is as it was; it tries again by itself.", "warn");
});

// On narrow screens the rail is a strip: show where the reader is.
const strip = document.querySelector(".rail nav");
const here = strip?.querySelector("[aria-current]");
if (here) strip.scrollLeft = here.offsetLeft - strip.offsetLeft - 24;

localTimes(document);
markTheme();
focusableScrollers();
