"use strict";
// The families of the table of scores fold; in a long table they begin folded.
(() => {
  const LONG = 16;
  const families = [...document.querySelectorAll(".scores tbody.family")];
  const backends = document.querySelectorAll(".scores tr.backend").length;

  function fold(family, isOpen) {
    family.querySelector("button").setAttribute("aria-expanded", String(isOpen));
    for (const row of family.querySelectorAll("tr.backend")) row.hidden = !isOpen;
  }

  for (const family of families) {
    const button = family.querySelector("button");
    if (!button) continue;
    button.disabled = false;
    button.addEventListener("click", () => fold(family, button.getAttribute("aria-expanded") !== "true"));
    if (backends > LONG) fold(family, false);
  }
})();
