
"use strict";
// Data is written with textContent only; nothing here parses it as HTML.
(() => {
  const groupsBox = document.getElementById("groups");
  if (!groupsBox) return;
  const data = JSON.parse(document.getElementById("data").textContent);
  const OPEN_UP_TO = 40;
  const MESSAGE_LIMIT = 600;

  const marks = data.marks.map(([key, symbol, short, meaning, departs]) => (
    { key, symbol, short, meaning, departs }));
  const groups = data.behaviours.map(([id, sentence]) => ({ id, sentence, cases: [] }));
  const cases = data.cases.map((entry, number) => ({ ...entry, number, findings: [] }));
  for (const row of data.findings) {
    const [caseNumber, backend, mark, kind, message, seconds, observed, deviation, stage] = row;
    cases[caseNumber].findings.push({
      backend, mark: marks[mark], name: data.backends[backend],
      kind: kind === undefined ? "" : data.texts[kind],
      message: message === undefined ? "" : data.texts[message],
      seconds, observed: observed || [], deviation: deviation || null,
      stage: stage === undefined ? "" : data.texts[stage], shown: true,
    });
  }
  for (const entry of cases) {
    if (entry.findings.length) groups[entry.behaviour].cases.push(entry);
    const clauses = entry.clauses.map((id) => `${id} ${(data.clauses[id] || []).join(" ")}`);
    const own = [entry.id, entry.title, groups[entry.behaviour].sentence, ...clauses];
    entry.words = own.join("\n").toLowerCase();
    for (const found of entry.findings) {
      const said = [found.name, found.kind, found.message, found.mark.key, found.mark.short, found.stage];
      found.words = said.join("\n").toLowerCase();
    }
  }

  function el(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== ""));
    return node;
  }
  const bdi = (text) => el("bdi", {}, text);
  const linkTo = (parts) => `#${new URLSearchParams(parts)}`;

  function chip(mark, count) {
    const text = count === undefined ? mark.short : `${count} ${mark.short}`;
    const symbol = el("span", { "aria-hidden": "true" }, mark.symbol);
    return el("span", { class: `chip ${mark.key}`, title: mark.meaning }, symbol, ` ${text}`);
  }

  function chips(findings) {
    const counts = new Map(marks.map((mark) => [mark, 0]));
    for (const found of findings) counts.set(found.mark, counts.get(found.mark) + 1);
    return [...counts].filter(([, count]) => count).map(([mark, count]) => chip(mark, count));
  }

  /** A text that is cut where it is long, with a button that shows the rest. */
  function long(text, limit = MESSAGE_LIMIT) {
    if (text.length <= limit) return bdi(text);
    const shown = bdi(`${text.slice(0, limit)}…`);
    const button = el("button", { type: "button", class: "small" }, "show all");
    button.addEventListener("click", () => {
      const cut = button.textContent === "show less";
      shown.textContent = cut ? `${text.slice(0, limit)}…` : text;
      button.textContent = cut ? "show all" : "show less";
    });
    return el("span", {}, shown, " ", button);
  }

  function entriesTable(numbers, caption) {
    const rows = numbers.map((number) => {
      const [name, head, body] = data.entries[number];
      const values = el("td", {}, bdi(head), body ? el("pre", {}, body) : "");
      return el("tr", {}, el("th", { scope: "row" }, bdi(name)), values);
    });
    return el("div", { class: "wide" }, el("table", { class: "entries" },
      el("caption", {}, caption), el("tbody", {}, ...rows)));
  }

  function clauseList(entry) {
    return el("ul", { class: "clauses" }, ...entry.clauses.map((id) => {
      const [level, statement, source] = data.clauses[id] || ["", "(not in the results file)", ""];
      return el("li", {}, el("code", {}, id), " ", el("span", { class: "level" }, level), " ",
        bdi(statement), source ? el("span", { class: "source" }, "Source: ", bdi(source)) : "");
    }));
  }

  function stepsPart(entry) {
    if (!entry.steps.length) return [];
    const [first, ...rest] = entry.steps;
    return [el("p", {}, `${entry.steps.length} calls in one process, one after another. The first of `
      + `them (${first}) is shown.`),
      el("details", {}, el("summary", {}, "The others"), el("p", {}, bdi(rest.join("; "))))];
  }

  function callParts(entry) {
    const parts = [];
    if (entry.inputs.length) parts.push(entriesTable(entry.inputs, "Inputs"));
    if (entry.options.length) parts.push(entriesTable(entry.options, "Options"));
    const observed = entry.observe ? el("p", { class: "quiet" }, `Looked at: ${entry.observe}`) : "";
    const name = el("p", {}, el("code", {}, entry.operation || "unknown operation"));
    return el("div", {}, el("h4", {}, "The call"), ...stepsPart(entry), name, ...parts, observed);
  }

  function expectedParts(entry) {
    const parts = [el("h4", {}, "What must come")];
    if (entry.refused) {
      parts.push(el("p", {}, el("strong", {}, "The call must be refused"),
        " before it returns. Its control, the same call but for this, must be answered:"));
      parts.push(entriesTable(entry.control, "The control's difference"));
      parts.push(entriesTable(entry.controlExpected, "The control must give"));
    } else if (entry.expected.length) {
      parts.push(entriesTable(entry.expected, "Expected"));
    } else {
      parts.push(el("p", {}, "Anything: this is implementation-defined, recorded and not scored. "
        + "It may not kill the process or change its inputs."));
    }
    return el("div", {}, ...parts);
  }

  function secondsText(value) {
    if (typeof value !== "number") return "–";
    return value >= 1 ? `${value.toFixed(2)} s` : `${(value * 1000).toPrecision(3)} ms`;
  }

  function deviationPart(deviation) {
    const whose = new Set([deviation.category, deviation.cause]);
    const about = [...whose, deviation.happens, deviation.version].filter(Boolean);
    const title = deviation.changed ? "Changed from a known deviation" : "Known deviation";
    const node = el("p", { class: "deviation" }, el("strong", {}, title),
      ` (${about.join(", ")}): `, bdi(deviation.reason));
    if (deviation.conforms_as) {
      node.append(" It conforms as ", el("code", {}, bdi(deviation.conforms_as)), ".");
    }
    if (deviation.link) {
      const safe = { href: deviation.link, rel: "noopener noreferrer nofollow", target: "_blank" };
      node.append(" ", el("a", safe, deviation.link));
    } else if (deviation.unlinked) {
      node.append(" ", bdi(deviation.unlinked));
    }
    return node;
  }

  function cameCell(found, entry) {
    const parts = [];
    if (found.message) parts.push(el("p", { class: "message" }, long(found.message)));
    if (found.deviation) parts.push(deviationPart(found.deviation));
    if (found.stage) parts.push(el("p", { class: "stage" }, "Seen ", bdi(found.stage)));
    if (found.observed.length) parts.push(entriesTable(found.observed, "Observed"));
    if (!parts.length && found.mark.key === "passed") {
      parts.push(el("p", { class: "quiet" }, entry.refused ? "Refused." : "As expected."));
    }
    return el("td", { role: "cell" }, ...parts);
  }

  function findingRow(found, entry) {
    const kind = found.kind && found.kind !== found.mark.key
      ? el("span", { class: "sub" }, bdi(found.kind)) : "";
    const link = el("a", { class: "link", href: linkTo({ case: entry.id, backend: found.name }),
      "aria-label": `Link to this result of ${found.name}` }, "link");
    return el("tr", { role: "row", "data-backend": found.backend },
      el("th", { role: "rowheader", scope: "row" },
        el("bdi", { class: "name" }, found.name), link),
      el("td", { role: "cell" }, chip(found.mark), kind), cameCell(found, entry),
      el("td", { role: "cell", class: "number" }, secondsText(found.seconds)));
  }

  function fillCase(entry) {
    const head = ["Backend", "Mark", "What came", "Time"].map((text) =>
      el("th", { role: "columnheader", scope: "col", class: text === "Time" ? "number" : null },
        text));
    const rows = entry.findings.map((found) => findingRow(found, entry));
    const meta = el("p", { class: "meta" }, el("code", {}, entry.id), " ",
      el("span", { class: "level" }, entry.level), entry.where ? " · " : "", bdi(entry.where), " · ",
      el("a", { href: linkTo({ case: entry.id }) }, "link to this case"));
    entry.body.replaceChildren(meta, clauseList(entry),
      el("div", { class: "sides" }, callParts(entry), expectedParts(entry)),
      el("h4", {}, "What came"),
      // The roles say what the tags do; a phone lays rows out as blocks, and that hides the tags.
      el("div", { class: "scroll" }, el("table", { role: "table", class: "came" },
        el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...head)),
        el("tbody", { role: "rowgroup" }, ...rows))));
    entry.filled = true;
  }

  function makeCase(entry) {
    entry.tally = el("span", { class: "tally" });
    entry.body = el("div", { class: "body" });
    const summary = el("summary", {}, el("span", { class: "title" }, bdi(entry.title)),
      el("code", { class: "id" }, entry.id.slice(groups[entry.behaviour].id.length + 1) || entry.id),
      entry.tally);
    entry.node = el("details", { class: "case", id: `case-${entry.number}` }, summary, entry.body);
    entry.node.addEventListener("toggle", () => entry.node.open && !entry.filled && fillCase(entry));
    return entry.node;
  }

  function fillGroup(group) {
    if (!group.filled) {
      group.filled = true;
      group.body.replaceChildren(...group.cases.map(makeCase));
    }
    for (const entry of group.cases) {
      const shown = entry.findings.filter((found) => found.shown);
      entry.node.hidden = !shown.length;
      entry.tally.replaceChildren(...chips(shown));
    }
  }

  function makeGroup(group) {
    group.tally = el("span", { class: "tally" });
    group.body = el("div", { class: "list" });
    const summary = el("summary", {}, el("span", { class: "file" }, group.id),
      el("span", { class: "sentence" }, bdi(group.sentence)), group.tally);
    group.node = el("details", { class: "group" }, summary, group.body);
    group.node.addEventListener("toggle", () => group.node.open && fillGroup(group));
    return group.node;
  }

  const filters = document.getElementById("filters");
  const text = document.getElementById("text");
  const backend = document.getElementById("backend");
  const shownLine = document.getElementById("shown");
  const present = marks.filter((mark) =>
    cases.some((entry) => entry.findings.some((found) => found.mark === mark)));
  const boxes = new Map();

  function makeFilters() {
    data.backends.forEach((name, number) => backend.append(el("option", { value: number }, name)));
    for (const mark of present) {
      const box = el("input", { type: "checkbox", checked: true, value: mark.key });
      boxes.set(mark, box);
      box.addEventListener("change", apply);
      document.getElementById("toggles").append(el("label", {}, box, chip(mark)));
    }
    let timer = 0;
    text.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(apply, 120); });
    backend.addEventListener("change", apply);
    filters.addEventListener("submit", (event) => event.preventDefault());
    for (const button of filters.querySelectorAll("[data-preset]")) {
      button.addEventListener("click", () => { preset(button.dataset.preset); apply(); });
    }
    filters.hidden = false;
  }

  function preset(name) {
    if (name === "all") { text.value = ""; backend.value = ""; }
    for (const [mark, box] of boxes) {
      box.checked = name === "all" || (name === "silent" ? mark.key === "silent" : mark.departs);
    }
  }

  function apply() {
    clearTimeout(apply.timer);
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = backend.value === "" ? null : Number(backend.value);
    let results = 0;
    let total = 0;
    let shownCases = 0;
    for (const entry of cases) {
      let any = false;
      for (const found of entry.findings) {
        found.shown = boxes.get(found.mark).checked && (wanted === null || found.backend === wanted)
          && words.every((word) => entry.words.includes(word) || found.words.includes(word));
        any = any || found.shown;
        results += found.shown;
        total += 1;
      }
      shownCases += any;
    }
    shownLine.textContent = `${results.toLocaleString("en")} of ${total.toLocaleString("en")} `
      + `results, in ${shownCases.toLocaleString("en")} cases`;
    for (const group of groups) showGroup(group, words.length > 0 && shownCases <= OPEN_UP_TO);
    for (const row of document.querySelectorAll("tr[data-behaviour]")) {
      row.hidden = hiddenGroups.has(row.dataset.behaviour);
    }
  }

  const hiddenGroups = new Set();
  function showGroup(group, open) {
    const shown = group.cases.flatMap((entry) => entry.findings.filter((found) => found.shown));
    group.node.hidden = !shown.length;
    if (shown.length) hiddenGroups.delete(group.id); else hiddenGroups.add(group.id);
    group.tally.replaceChildren(...chips(shown));
    if (group.filled) fillGroup(group);
    if (open && shown.length) group.node.open = true;
  }

  /** Show the cases that a clause is held by. */
  function followClause(id) {
    preset("all");
    text.value = id;
    apply();
    document.getElementById("cases").scrollIntoView();
  }

  /** Open what the address names: a case or a behaviour, on one backend or on all; a clause. */
  function follow() {
    const parts = new URLSearchParams(location.hash.slice(1));
    if (parts.has("clause")) { followClause(parts.get("clause")); return; }
    const entry = cases.find((candidate) => candidate.id === parts.get("case"));
    const group = entry ? groups[entry.behaviour]
      : groups.find((candidate) => candidate.id === parts.get("behaviour"));
    if (!group) return;
    const wanted = data.backends.indexOf(parts.get("backend"));
    preset("all");
    if (!entry && wanted >= 0) backend.value = String(wanted);
    apply();
    group.node.open = true;
    fillGroup(group);
    if (!entry) { arrive(group.node); return; }
    entry.node.open = true;
    if (!entry.filled) fillCase(entry);
    const row = wanted >= 0 ? entry.node.querySelector(`tr[data-backend="${wanted}"]`) : null;
    document.querySelectorAll(".chosen").forEach((node) => node.classList.remove("chosen"));
    if (row) row.classList.add("chosen");
    arrive(entry.node);
    if (row && row.getBoundingClientRect().bottom > window.innerHeight) {
      row.scrollIntoView({ block: "center" });
    }
  }

  function arrive(node) {
    node.querySelector("summary").focus({ preventScroll: true });
    node.scrollIntoView({ block: "start" });
  }

  makeFilters();
  groupsBox.append(...groups.filter((group) => group.cases.length).map(makeGroup));
  for (const group of groups) if (!group.node) makeGroup(group);
  apply();
  window.addEventListener("hashchange", follow);
  // A link to the address that is already open changes nothing, yet must lead there again.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.getAttribute("href") === location.hash) follow();
  });
  follow();
})();
