// "Send a test request" beside a new key: the answer as it is, live.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-try-key]");
  if (!button) return;
  const tried = document.getElementById("tried");
  const key = document.getElementById(button.dataset.tryKey).textContent.trim();
  tried.textContent = "Asking…";
  const began = performance.now();
  try {
    const answer = await fetch(button.dataset.tryUrl, { headers: { Authorization: `Bearer ${key}` }, credentials: "omit" });
    const took = Math.round(performance.now() - began);
    const body = await answer.json();
    tried.textContent = answer.ok
      ? `It works: ${answer.status} in ${took} ms, ${body.data.length} model${body.data.length === 1 ? "" : "s"}.`
      : `${answer.status}: ${body.detail || body.title || "refused"}`;
  } catch {
    tried.textContent = "The server could not be reached. Try again.";
  }
});
