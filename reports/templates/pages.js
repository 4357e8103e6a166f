"use strict";
// One page of the report at a time; without scripts they stand one below the other.
(() => {
  const pages = [...document.querySelectorAll(".page")];
  const links = [...document.querySelectorAll(".pages a")];
  /** Which part of a page an address is for that names no element. */
  const PLACES = { case: "cases", behaviour: "cases", clause: "cases", need: "advice", refuse: "advice", profile: "advice" };

  /** Add the rest of a page that is too long to be laid out before anybody opens it. */
  function unfold(page) {
    const late = page.querySelector(":scope > noscript");
    if (!late) return;
    // This is the report's own markup: the template that wrote it escaped every text of a record.
    const rest = new DOMParser().parseFromString(late.textContent, "text/html");
    late.replaceWith(...rest.body.childNodes);
    page.dispatchEvent(new CustomEvent("unfolded", { bubbles: true }));
  }

  /** Find what an address names, in what is unfolded already or in what is not. */
  function find(id) {
    for (const page of pages) {
      const late = page.querySelector(":scope > noscript");
      if (id && late && late.textContent.includes(` id="${id}"`)) unfold(page);
    }
    return document.getElementById(id);
  }

  function open(page) {
    unfold(page);
    for (const other of pages) other.hidden = other !== page;
    for (const link of links) {
      const chosen = link.getAttribute("href") === `#${page.id}`;
      if (chosen) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    }
    page.dispatchEvent(new CustomEvent("opened"));
  }

  /** Open the page that the address names or lies in; the first one for any other address. */
  function follow() {
    const [named] = new URLSearchParams(location.hash.slice(1)).keys();
    const target = find(location.hash.slice(1)) || document.getElementById(PLACES[named]);
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
