"use strict";
// One page of the report at a time; without scripts they stand one below the other.
(() => {
  const pages = [...document.querySelectorAll(".page")];
  const links = [...document.querySelectorAll(".pages a")];

  function open(page) {
    for (const other of pages) other.hidden = other !== page;
    for (const link of links) {
      const chosen = link.getAttribute("href") === `#${page.id}`;
      if (chosen) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    }
  }

  /** Open the page that the address names or lies in; the first one for any other address. */
  function follow() {
    const target = document.getElementById(location.hash.slice(1));
    const page = target ? target.closest(".page") : pages[0];
    if (!page) return;
    open(page);
    if (target) target.scrollIntoView();
  }

  document.getElementById("content").classList.add("paged");
  open(pages[0]);
  window.addEventListener("hashchange", follow);
  follow();
})();
