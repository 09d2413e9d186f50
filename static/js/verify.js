// Drop a picture: it is shown and sent at once. Without JavaScript the form works as it stands.
const drop = document.querySelector("[data-drop]");
const input = drop.querySelector("input");
const preview = drop.querySelector("[data-preview]");
const prompt = drop.querySelector("[data-prompt]");

function show() {
  const [file] = input.files;
  if (!file) return;
  const reader = new FileReader();
  reader.onload = () => {
    preview.src = reader.result;
    preview.alt = file.name;
    preview.hidden = false;
    prompt.hidden = true;
  };
  reader.readAsDataURL(file);
  input.form.requestSubmit();
}

input.addEventListener("change", show);
for (const kind of ["dragenter", "dragover"]) {
  drop.addEventListener(kind, (event) => { event.preventDefault(); drop.dataset.over = ""; });
}
for (const kind of ["dragleave", "drop"]) {
  drop.addEventListener(kind, () => { delete drop.dataset.over; });
}
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) {
    input.files = event.dataTransfer.files;
    show();
  }
});
