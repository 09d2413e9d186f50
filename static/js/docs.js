// The reader's own test key in every example: made on demand, kept in this tab only.
const KEPT = "licet-test-key";
const card = document.querySelector("[data-docs-key]");
function putIn(key) {
  document.querySelectorAll(".snippet code").forEach((code) => {
    code.textContent = code.textContent.replaceAll("YOUR_KEY", key);
  });
  if (card) {
    card.querySelector("[data-key-said]").textContent = "Your test key stands in every example of this tab. It ends in a week; revoke it under API keys.";
    card.querySelector("[data-key-make]").hidden = true;
  }
}
const kept = sessionStorage.getItem(KEPT);
if (kept) putIn(kept);
card?.querySelector("[data-key-make]").addEventListener("click", async () => {
  const said = card.querySelector("[data-key-said]");
  said.textContent = "Making a key…";
  try {
    const answer = await fetch(card.dataset.docsKey, { method: "POST", headers: { "X-CSRFToken": card.querySelector("[name=csrfmiddlewaretoken]").value } });
    if (!answer.ok) throw new Error();
    const { key } = await answer.json();
    sessionStorage.setItem(KEPT, key);
    putIn(key);
  } catch {
    said.textContent = "The key could not be made. Reload the page and try again.";
  }
});
