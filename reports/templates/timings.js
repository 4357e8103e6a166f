"use strict";
// Timings against another baseline. Python computed every figure; here they are only put in place.
(() => {
  const choice = document.getElementById("baseline");
  if (!choice) return;
  const known = JSON.parse(document.getElementById("baselines").textContent);
  const cells = [...document.querySelectorAll(".timings .notes")];
  const rows = [...document.querySelectorAll(".timings tr.timing")];
  const pattern = document.querySelector(".timings svg.bar");

  /** Write a text, and hide its place where there is none. */
  function tell(row, place, text, inner) {
    const found = row.querySelector(place);
    (inner ? found.querySelector(inner) : found).textContent = text;
    found.hidden = !text;
  }

  function draw(place, bar, label) {
    let picture = place.querySelector("svg");
    if (!bar) { if (picture) picture.remove(); return; }
    if (!picture) { picture = pattern.cloneNode(true); place.append(picture); }
    const [low, high, middle] = bar;
    const set = (what, names, value) => {
      for (const part of picture.querySelectorAll(what)) for (const name of names) part.setAttribute(name, value);
    };
    const [first, last] = picture.querySelectorAll(".end");
    for (const name of ["x1", "x2"]) { first.setAttribute(name, low); last.setAttribute(name, high); }
    set(".interval", ["x1"], low);
    set(".interval", ["x2"], high);
    set("circle", ["cx"], middle);
    picture.setAttribute("aria-label", label);
  }

  function show() {
    const found = known[Number(choice.value)];
    cells.forEach((place, number) => {
      place.replaceChildren(...found.notes[number].map((text) => {
        const note = document.createElement("p");
        const words = document.createElement("bdi");
        note.className = "example";
        words.textContent = text;
        note.append(words);
        return note;
      }));
    });
    rows.forEach((row, number) => {
      const [role, ratio, interval, bar, verdict, tone, flags, said, paid] = found.rows[number];
      row.className = `timing ${tone}`;
      tell(row, ".role", role);
      row.querySelector(".ratio").textContent = ratio;
      row.querySelector("span.interval").textContent = interval;
      draw(row.querySelector(".picture"), bar, `ratio ${ratio}, 95 % interval ${interval}`);
      const chip = row.querySelector(".chip");
      chip.textContent = verdict;
      chip.className = `chip verdict-${tone}`;
      tell(row, ".flags", flags, "bdi");
      tell(row, ".said", said, "bdi");
      tell(row, ".paid", paid, "b");
    });
  }

  document.getElementById("baseline-choice").hidden = false;
  choice.addEventListener("change", show);
})();
