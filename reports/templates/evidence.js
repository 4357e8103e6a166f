"use strict";
// What stands behind a cell of the matrix, beside it: counts, whose the departures are, the cases.
function makeEvidence(data, results) {
  const CASES_SHOWN = 25;
  const WHOSE = {
    "by-design": "by design: the library documents it", bug: "bug: the library does otherwise, and does not say so",
    composition: "composition: the library lacks it, and what the adapter composes does otherwise",
    environment: "environment: a limit or a setting of the harness", "": "not known: no deviation explains it",
  };
  const box = document.getElementById("evidence");
  let from = null;

  function close() {
    if (box.hidden) return;
    box.hidden = true;
    if (from && from.isConnected) from.focus({ preventScroll: true });
  }

  const whoseOf = (found) => (found.deviation && !found.deviation.changed ? found.deviation.category : "");

  function caseNode({ entry, found }) {
    const node = el("li", {}, chip(found.mark), " ",
      el("a", { href: linkTo({ case: entry.id, backend: found.name }) }, bdi(entry.title)));
    const about = [found.kind !== found.mark.key ? found.kind : "", found.mark.departs ? whoseOf(found) || "not known" : ""];
    if (about.some(Boolean)) node.append(el("span", { class: "sub" }, bdi(about.filter(Boolean).join(", "))));
    if (found.mark.departs && found.message) node.append(el("span", { class: "sub" }, bdi(line(found.message, 160))));
    if (found.stage) node.append(el("span", { class: "sub stage" }, "Seen ", bdi(found.stage)));
    return node;
  }

  /** How many departures are by design, bugs, or of the adapter's composition, with a reason each. */
  function whoseNodes(shown) {
    const groups = new Map();
    for (const { found } of shown.filter((one) => one.found.mark.departs)) {
      const whose = whoseOf(found);
      groups.set(whose, [...(groups.get(whose) || []), found]);
    }
    return [...groups].map(([whose, some]) => el("div", { class: `whose ${whose || "unknown"}` },
      el("b", {}, `${some.length} `), WHOSE[whose] || bdi(whose),
      whose ? el("span", { class: "sub" }, bdi(line(some[0].deviation.reason, 300))) : ""));
  }

  function provisionText(backend, shown) {
    const used = [...new Set(shown.map(({ entry }) => entry.operation))];
    const how = (name) => data.provisions[backend][name];
    const names = (word) => used.filter((name) => how(name) === word);
    const said = [];
    if (names("native").length) said.push(`native: ${names("native").join(", ")}`);
    if (names(COMPOSED).length) said.push(`composed by the adapter of other operations: ${names(COMPOSED).join(", ")}`);
    return said.join("; ");
  }

  function open(row, backend, cell) {
    from = cell;
    const shown = [];
    for (const number of row.cases) {
      const entry = results.cases[number];
      const place = results.find(entry, backend);
      if (place >= 0) shown.push({ entry, found: results.at(place) });
    }
    shown.sort((one, other) => one.found.mark.number - other.found.mark.number);
    const counts = results.marks.map((mark) => shown.filter(({ found }) => found.mark === mark).length);
    const button = el("button", { type: "button", class: "small close" }, "Close");
    button.addEventListener("click", close);
    const heading = el("h3", { id: "evidence-title", tabindex: "-1" }, el("bdi", { class: "name" }, data.backends[backend]), " ",
      el("span", { class: "file" }, bdi(row.id)));
    const left = shown.length - CASES_SHOWN;
    box.replaceChildren(el("div", { class: "head" }, heading, button), el("p", {}, bdi(row.says)),
      el("p", { class: "chips" }, ...results.marks.filter((mark) => counts[mark.number]).map((mark) => chip(mark, counts[mark.number]))),
      el("p", { class: "sub" }, bdi(provisionText(backend, shown))), ...whoseNodes(shown),
      el("ol", { class: "behind" }, ...shown.slice(0, CASES_SHOWN).map(caseNode)),
      left > 0 ? el("p", { class: "quiet" }, `… and ${left} more.`) : "",
      shown.length ? el("p", {}, el("a", { href: linkTo({ behaviour: results.groups[shown[0].entry.behaviour].id, backend: data.backends[backend] }) },
        "All cases of the behaviour on this backend")) : "");
    box.hidden = false;
    heading.focus({ preventScroll: true });
  }

  document.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  window.addEventListener("hashchange", () => { from = null; close(); });
  return { open };
}
