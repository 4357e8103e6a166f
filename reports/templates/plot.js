"use strict";
// The plot of accuracy against speed: a point says its name where it is pointed to, or has the focus.
(() => {
  const plot = document.getElementById("points");
  if (!plot) return;
  const said = document.getElementById("point-said");
  const across = (point) => point.transform.baseVal[0].matrix.e;
  const points = [...plot.querySelectorAll(".point")].sort((one, other) => across(one) - across(other));

  function tell(point) { said.textContent = point.getAttribute("aria-label"); }

  points.forEach((point, place) => {
    point.setAttribute("tabindex", place ? "-1" : "0");
    point.addEventListener("pointerenter", () => tell(point));
    point.addEventListener("focus", () => tell(point));
    point.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const next = points[place + step];
      if (!step || !next) return;
      event.preventDefault();
      point.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    });
  });
})();
