"use strict";
// The matrix: a mark for each row and backend. Rows are behaviours, features or clauses, which open
// to their cases; a cell opens the evidence.
const BY_DESIGN = "by-design";
const COMPOSED = "composed";

/** Counts of marks for each row and backend, and what they say of a cell. */
class Tally {
  constructor(data, results, rows, counted) {
    this.data = data;
    this.marks = results.marks;
    this.width = data.backends.length;
    this.counts = new Int32Array(rows.length * this.width * this.marks.length);
    this.design = new Int32Array(rows.length * this.width);
    this.composed = new Int32Array(rows.length * this.width);
    const departs = this.marks.map((mark) => mark.departs);
    const isOffered = this.marks.map((mark) => mark.key !== "unsupported" && mark.key !== "not-run");
    const isDesign = data.details.map(([, , , deviation]) => (
      Boolean(deviation) && data.deviations[deviation - 1].category === BY_DESIGN));
    const isKnown = data.details.map(([, , , deviation]) => (
      Boolean(deviation) && !data.deviations[deviation - 1].changed));
    rows.forEach((row, number) => {
      for (const of of row.cases) {
        const entry = results.cases[of];
        for (let place = entry.start; place < entry.end; place += 1) {
          const [backend, mark, detail] = [data.backend[place], data.mark[place], results.detail[place]];
          const left = departs[mark] && ((counted !== "all" && isDesign[detail]) || (counted === "new" && isKnown[detail]));
          if (left) continue;
          const cell = number * this.width + backend;
          this.counts[cell * this.marks.length + mark] += 1;
          if (departs[mark] && isDesign[detail]) this.design[cell] += 1;
          if (isOffered[mark] && data.provisions[backend][entry.operation] === COMPOSED) this.composed[cell] += 1;
        }
      }
    });
  }

  /** The mark that a cell shows: the worst; what passed in part stands before what is not offered. */
  cell(row, backend) {
    const at = row * this.width + backend;
    const counts = this.counts.subarray(at * this.marks.length, (at + 1) * this.marks.length);
    let [worst, total, departures] = [-1, 0, 0];
    counts.forEach((count, mark) => {
      if (!count) return;
      if (worst < 0) worst = mark;
      total += count;
      if (this.marks[mark].departs) departures += count;
    });
    const passed = this.marks.findIndex((mark) => mark.key === "passed");
    const isPart = worst >= 0 && this.marks[worst].key === "unsupported" && counts[passed] > 0;
    return {
      mark: this.marks[isPart ? passed : worst], isPart, counts, total, departures,
      isDesign: departures > 0 && this.design[at] === departures,
      design: this.design[at],
      isComposed: this.composed[at] > 0,
    };
  }
}

function showMatrix(data, results) {
  const page = document.getElementById("matrix");
  const table = document.getElementById("cells");
  const rowsChoice = document.getElementById("rows");
  const countedChoice = document.getElementById("counted");
  const findBox = document.getElementById("find-rows");
  const onlyBox = document.getElementById("only-departing");
  const CASES_SHOWN = 100;
  const ROWS_SHOWN = 600;
  const evidence = makeEvidence(data, results);
  const families = data.families.map(([name, numbers]) => ({ name, numbers, chosen: new Set(numbers) }));
  const kinds = {};
  let [rows, tally, columns, active, limit] = [[], null, [], null, ROWS_SHOWN];

  /** Rows of a kind: each with its cases, and the title under which it stands. */
  function rowsOf(kind) {
    if (kinds[kind]) return kinds[kind];
    const found = new Map();
    const add = (id, says, folder, number) => {
      if (!found.has(id)) found.set(id, { id, says, folder, cases: [] });
      found.get(id).cases.push(number);
    };
    for (const entry of results.cases.filter((one) => one.start < one.end)) {
      if (kind === "behaviours") {
        const { id, sentence } = results.groups[entry.behaviour];
        add(id, sentence, id.split("/")[0], entry.number);
        continue;
      }
      const seen = new Set();
      for (const id of entry.clauses) {
        const [, says, , of, feature] = data.clauses[id] || ["", "", "", "not in the results file", -1];
        if (kind === "clauses") { add(id, says, of, entry.number); continue; }
        if (seen.has(feature)) continue;
        seen.add(feature);
        const [name, sentence, group] = data.features[feature] || ["no feature", "What decides no feature.", "Not scored"];
        add(name, sentence, group, entry.number);
      }
    }
    const folders = [...new Set([...found.values()].map((row) => row.folder))];
    kinds[kind] = [...found.values()].sort((one, other) => folders.indexOf(one.folder) - folders.indexOf(other.folder));
    return kinds[kind];
  }

  const nameOf = (row) => (rowsChoice.value === "behaviours" ? row.id.split("/").slice(1).join("/") || row.id : row.id);

  function spoken(name, { counts, isDesign, design, isComposed }) {
    const said = results.marks.filter((mark) => counts[mark.number]).map((mark) => `${counts[mark.number]} ${mark.short}`);
    const whose = design ? [isDesign ? "by design" : `${design} of them by design`] : [];
    return `${name}: ${[...said, ...whose, ...(isComposed ? ["composed"] : [])].join(", ") || "nothing run"}`;
  }

  function cellNode(cell, name) {
    const td = document.createElement("td");
    if (!cell.total) { td.className = "empty"; td.setAttribute("aria-label", `${name}: nothing run`); return td; }
    td.className = cell.mark.key + (cell.isPart ? " part" : "") + (cell.isDesign ? " design" : "")
      + (cell.isComposed ? " composed" : "");
    td.textContent = cell.mark.symbol;
    td.setAttribute("aria-label", spoken(name, cell));
    return td;
  }

  function makeHead() {
    const shown = families.filter((family) => family.chosen.size);
    const first = el("tr", {}, el("th", { class: "corner", scope: "col", rowspan: "2" }, rowsChoice.selectedOptions[0].textContent),
      ...shown.map((family) => el("th", { class: "family", scope: "colgroup", colspan: family.chosen.size, title: family.name },
        el("span", {}, family.name))));
    const second = el("tr", {}, ...columns.map((number) => {
      const first = shown.some((family) => family.numbers.find((one) => family.chosen.has(one)) === number);
      return el("th", { scope: "col", class: first ? "backend first" : "backend", title: data.provided[number] },
        el("bdi", {}, data.backends[number]));
    }));
    return el("thead", {}, first, second);
  }

  function rowNode(row, number) {
    const button = el("button", { type: "button", class: "open", "aria-expanded": "false", tabindex: "-1", title: row.says },
      el("span", { "aria-hidden": "true" }, "▸"), bdi(nameOf(row)));
    const node = el("tr", { "data-row": row.id, role: "row" }, el("th", { scope: "row" }, button));
    for (const backend of columns) node.append(cellNode(tally.cell(number, backend), data.backends[backend]));
    node.row = row;
    button.addEventListener("click", () => toggle(node, button));
    return node;
  }

  /** Open a row to its cases, one below the other, or close it. */
  function toggle(node, button) {
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    button.firstChild.textContent = isOpen ? "▸" : "▾";
    if (isOpen) { for (const other of node.opened) other.remove(); return; }
    const some = node.row.cases.slice(0, CASES_SHOWN).map((number) => ({ cases: [number] }));
    const own = new Tally(data, results, some, countedChoice.value);
    node.opened = some.map((row, number) => {
      const entry = results.cases[row.cases[0]];
      const link = el("a", { href: linkTo({ case: entry.id }), tabindex: "-1", title: entry.id }, bdi(entry.title));
      const line_ = el("tr", { class: "one", role: "row" }, el("th", { scope: "row" }, link));
      for (const backend of columns) line_.append(cellNode(own.cell(number, backend), data.backends[backend]));
      line_.row = { ...row, id: entry.id, says: entry.title };
      return line_;
    });
    const left = node.row.cases.length - some.length;
    if (left > 0) {
      node.opened.push(el("tr", { class: "one" }, el("th", { scope: "row" }, `… and ${left} more, below`),
        ...columns.map(() => el("td", { class: "empty" }))));
    }
    node.after(...node.opened);
  }

  function build() {
    rows = rowsOf(rowsChoice.value);
    tally = new Tally(data, results, rows, countedChoice.value);
    columns = families.flatMap((family) => family.numbers.filter((number) => family.chosen.has(number)));
    const words = findBox.value.toLowerCase().split(/\s+/).filter(Boolean);
    const numbers = [...rows.keys()].filter((number) => {
      const text = `${rows[number].id} ${rows[number].says} ${rows[number].folder}`.toLowerCase();
      return words.every((word) => text.includes(word))
        && (!onlyBox.checked || columns.some((backend) => tally.cell(number, backend).departures));
    });
    const bodies = [];
    let folder = null;
    for (const number of numbers.slice(0, limit)) {
      if (folder !== rows[number].folder) {
        folder = rows[number].folder;
        bodies.push(el("tbody", {}, el("tr", { class: "folder" },
          el("th", { scope: "rowgroup", colspan: columns.length + 1 }, el("span", {}, folder)))));
      }
      bodies.at(-1).append(rowNode(rows[number], number));
    }
    active = null;
    table.replaceChildren(makeHead(), ...bodies);
    const first = table.querySelector("td");
    if (first) activate(first, false);
    const left = numbers.length - limit;
    const more = document.getElementById("more-rows");
    more.hidden = left <= 0;
    more.textContent = `Show more rows: ${left} left`;
    const total = families.reduce((sum, family) => sum + family.numbers.length, 0);
    document.getElementById("matrix-shown").textContent =
      `${numbers.length} of ${rows.length} rows, ${columns.length} of ${total} backends`;
  }

  function activate(node, isFocused = true) {
    if (active) active.tabIndex = -1;
    active = node;
    node.tabIndex = 0;
    if (isFocused) {
      node.focus({ preventScroll: true });
      node.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  /** What takes the focus in a cell: a row's head has a button or a link. */
  const target = (cell) => cell.querySelector("button, a") || cell;

  function move(cell, down, right) {
    const all = [...table.querySelectorAll("tbody tr:not(.folder)")];
    const row = all[Math.max(0, Math.min(all.length - 1, all.indexOf(cell.parentNode) + down))];
    const place = Math.max(0, Math.min(row.cells.length - 1, cell.cellIndex + right));
    activate(target(row.cells[place]));
  }

  function open(cell) {
    const row = cell.parentNode.row;
    if (!row || !cell.cellIndex) return;
    evidence.open(row, columns[cell.cellIndex - 1], cell);
  }

  const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
    Home: [0, -Infinity], End: [0, Infinity], PageUp: [-20, 0], PageDown: [20, 0] };

  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("tbody td, tbody th[scope=row]");
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    if (STEPS[event.key]) {
      event.preventDefault();
      const [down, right] = STEPS[event.key];
      move(cell, down, Number.isFinite(right) ? right : Math.sign(right) * 1e6);
    } else if ((event.key === "Enter" || event.key === " ") && cell.tagName === "TD") {
      event.preventDefault();
      open(cell);
    }
  });
  table.addEventListener("click", (event) => {
    const cell = event.target.closest("tbody td");
    if (cell) { activate(cell); open(cell); }
  });

  function makeColumns() {
    const place = document.getElementById("columns");
    for (const family of families) {
      const whole = el("input", { type: "checkbox", checked: true });
      const singles = family.numbers.map((number) => {
        const box = el("input", { type: "checkbox", checked: true });
        box.addEventListener("change", () => {
          if (box.checked) family.chosen.add(number); else family.chosen.delete(number);
          whole.checked = family.chosen.size > 0;
          build();
        });
        return [number, box];
      });
      whole.addEventListener("change", () => {
        family.chosen = new Set(whole.checked ? family.numbers : []);
        for (const [, box] of singles) box.checked = whole.checked;
        build();
      });
      place.append(el("div", { class: "family" }, el("label", {}, whole, " ", el("b", {}, bdi(family.name))),
        ...singles.map(([number, box]) => el("label", {}, box, " ", el("bdi", { class: "name" }, data.backends[number])))));
      family.put = (isChosen) => {
        family.chosen = new Set(isChosen ? family.numbers : []);
        whole.checked = isChosen;
        for (const [, box] of singles) box.checked = isChosen;
      };
    }
    const only = document.getElementById("family");
    for (const family of families) only.append(el("option", {}, family.name));
    only.addEventListener("change", () => {
      for (const family of families) family.put(!only.value || family.name === only.value);
      build();
    });
  }

  makeColumns();
  for (const choice of [rowsChoice, countedChoice, onlyBox]) choice.addEventListener("change", build);
  let timer = 0;
  findBox.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(build, 120); });
  document.getElementById("matrix-form").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("matrix-box").hidden = false;
  document.getElementById("more-rows").addEventListener("click", () => { limit += ROWS_SHOWN; build(); });
  // To lay out thousands of cells takes a moment: not before somebody looks at them.
  if (page.hidden) page.addEventListener("opened", build, { once: true }); else build();
}
