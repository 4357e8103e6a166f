"use strict";
// The cases: what was asked, what must come, and what came.
function showCases(data, results) {
  const OPEN_UP_TO = 40;
  const SHOWN_AT_ONCE = 200;
  const MESSAGE_LIMIT = 600;
  const VALUES_LIMIT = 600;
  const { marks, groups, cases } = results;

  function chips(counts) {
    return marks.filter((mark) => counts[mark.number]).map((mark) => chip(mark, counts[mark.number]));
  }

  /** Show the first entries of a list and those that a link led to, and a button for the rest. */
  function showSome(list) {
    const { box, entries, make, limit } = list;
    const some = entries.filter((entry, place) => place < limit || entry.linked);
    for (const entry of some) if (!entry.node) make(entry);
    box.replaceChildren(...some.map((entry) => entry.node));
    if (some.length === entries.length) return;
    const left = (entries.length - some.length).toLocaleString("en");
    const button = el("button", { type: "button", class: "more" }, `Show more: ${left} left`);
    button.addEventListener("click", () => {
      list.limit += SHOWN_AT_ONCE;
      showSome(list);
      const next = list.entries[limit];
      if (next) next.node.querySelector("summary").focus();
    });
    box.append(button);
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
      const values = el("td", {}, bdi(head), body ? el("pre", { tabindex: "0" }, body) : "");
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

  function timeText(milliseconds) {
    if (typeof milliseconds !== "number") return "–";
    return milliseconds >= 1000 ? `${(milliseconds / 1000).toFixed(2)} s`
      : `${milliseconds.toPrecision(3)} ms`;
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
      el("td", { role: "cell", class: "number" }, timeText(found.milliseconds)));
  }

  function fillCase(entry) {
    const head = ["Backend", "Mark", "What came", "Time"].map((text) =>
      el("th", { role: "columnheader", scope: "col", class: text === "Time" ? "number" : null },
        text));
    const rows = results.places(entry).map((place) => findingRow(results.at(place), entry));
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
  }

  function fillGroup(group) {
    group.list ||= { box: group.body, make: makeShownCase, limit: SHOWN_AT_ONCE };
    group.list.entries = group.shown;
    for (const entry of group.shown) if (entry.node) showTally(entry);
    showSome(group.list);
  }

  function makeShownCase(entry) {
    makeCase(entry);
    showTally(entry);
  }

  function showTally(entry) {
    entry.tally.replaceChildren(...chips(results.tally(entry)));
  }

  function makeGroup(group) {
    group.tally = el("span", { class: "tally" }, ...chips(group.counts));
    group.body = el("div", { class: "list" });
    const summary = el("summary", {}, el("span", { class: "file" }, group.id),
      el("span", { class: "sentence" }, bdi(group.sentence)), group.tally);
    group.node = el("details", { class: "group" }, summary, group.body);
    group.node.addEventListener("toggle", () => group.node.open && !group.list && fillGroup(group));
  }

  const groupsBox = document.getElementById("groups");
  const filters = document.getElementById("filters");
  const text = document.getElementById("text");
  const backend = document.getElementById("backend");
  const shownLine = document.getElementById("shown");
  const groupList = { box: groupsBox, make: makeGroup, limit: SHOWN_AT_ONCE };
  const seen = new Set(data.mark);
  const present = marks.filter((mark) => seen.has(mark.number));
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
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = backend.value === "" ? null : Number(backend.value);
    const ticked = marks.map((mark) => boxes.has(mark) && boxes.get(mark).checked);
    const found = results.filter(ticked, wanted, words);
    shownLine.textContent = `${found.results.toLocaleString("en")} of `
      + `${results.size.toLocaleString("en")} results, in ${found.cases.toLocaleString("en")} cases`;
    groupList.entries = groups.filter((group) => group.shown.length);
    for (const group of groupList.entries) {
      if (!group.node) continue;
      group.tally.replaceChildren(...chips(group.counts));
      if (group.list) fillGroup(group);
    }
    showSome(groupList);
    if (words.length && found.cases <= OPEN_UP_TO) {
      for (const group of groupList.entries) if (group.node) group.node.open = true;
    }
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
    const entry = cases.find((one) => one.start < one.end && one.id === parts.get("case"));
    const group = entry ? groups[entry.behaviour]
      : groups.find((one) => one.cases.length && one.id === parts.get("behaviour"));
    if (!group) return;
    group.linked = true;
    if (entry) entry.linked = true;
    const wanted = data.backends.indexOf(parts.get("backend"));
    preset("all");
    if (!entry && wanted >= 0) backend.value = String(wanted);
    apply();
    if (!group.node) return;
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

  /** The message of a ledger's cell, its values, and a link: in a large report they come late. */
  function fillSaid(node, found, href) {
    const parts = found.message ? [el("p", {}, bdi(line(found.message, 400)))] : [];
    for (const number of found.observed) {
      const [name, head, body] = data.entries[number];
      const shown = body.length > VALUES_LIMIT ? `${body.slice(0, VALUES_LIMIT)} ...` : body;
      parts.push(el("p", { class: "sub" }, bdi(name), ": ", bdi(head)), body ? el("pre", { tabindex: "0" }, shown) : "");
    }
    node.append(...parts, el("a", { class: "link", href }, "the case"));
  }

  /** Give the cells of a large report what would make it larger: links, roles, and labels. */
  function completeCells(part) {
    for (const table of part.querySelectorAll(".ledger")) {
      const names = [...table.tHead.rows[0].cells].map((cell) => cell.firstChild.textContent);
      names[1] = "PyTorch, as recorded";
      for (const cell of table.querySelectorAll("td:not([role])")) {
        cell.setAttribute("role", "cell");
        cell.dataset.backend = names[cell.cellIndex];
      }
    }
    for (const node of part.querySelectorAll("[data-of]")) {
      const [number, backend] = node.dataset.of.split(",").map(Number);
      const href = linkTo({ case: cases[number].id, backend: data.backends[backend] });
      const found = () => results.at(results.find(cases[number], backend));
      if (node.tagName === "A") {
        node.href = href;
        node.title = line(found().message, 160);
      } else {
        node.addEventListener("toggle", () => fillSaid(node, found(), href), { once: true });
      }
    }
  }

  makeFilters();
  apply();
  completeCells(document);
  document.addEventListener("unfolded", (event) => completeCells(event.target));
  window.addEventListener("hashchange", follow);
  // A link to the address that is already open changes nothing, yet must lead there again.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.getAttribute("href") === location.hash) follow();
  });
  follow();
}

if (document.getElementById("groups")) {
  withBlock("data", (data) => {
    const results = new Results(data);
    showCases(data, results);
    showMatrix(data, results);
  }, () => {
    document.getElementById("groups").textContent = "This browser is too old to unpack the cases.";
  });
}
