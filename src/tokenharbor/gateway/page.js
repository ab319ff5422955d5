"use strict";
const said = document.getElementById("said");
async function copy(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* not a secure origin: use the old API */ }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
for (const pre of document.querySelectorAll("pre")) {
  const box = document.createElement("div"), button = document.createElement("button");
  box.className = "copy";
  pre.replaceWith(box);
  box.append(pre, button);
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy: " + pre.textContent.trim().split("\n")[0]);
  button.addEventListener("click", async () => {
    const done = await copy(pre.textContent.trim());
    button.textContent = done ? "Copied" : "Select and copy";
    said.textContent = button.textContent;
    setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 1600);
  });
}
const filter = document.getElementById("filter"), on = document.getElementById("on");
const groups = [...document.querySelectorAll("details")].map((group) => [group, group.open]);
function show() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const [group, open] of groups) {
    let here = 0;
    for (const row of group.querySelectorAll("tbody tr")) {
      row.hidden = (on.checked && row.className === "off") || !words.every((word) => row.dataset.words.includes(word));
      here += row.hidden ? 0 : 1;
    }
    group.hidden = here === 0;
    group.open = words.length || on.checked ? here > 0 : open;
    count += here;
  }
  document.getElementById("count").textContent = count + (count === 1 ? " model" : " models");
  document.getElementById("none").hidden = count > 0;
}
document.querySelector(".filter").hidden = false;
filter.addEventListener("input", show);
on.addEventListener("change", show);
show();
