"use strict";
// The form of needs, and the list of backends that it reorders.
function showNeeds(data) {
  const advice = new Advice(data);
  const form = document.getElementById("needs");
  const dtype = document.getElementById("dtype");
  const indices = [...form.querySelectorAll("[name=index]")];
  const boxes = new Map();
  const NAMES_SHOWN = 4;
  // Where the form stands above the answers, its groups begin closed.
  const isNarrow = window.matchMedia("(max-width: 56rem)");
  const HEADS = {
    fits: ["✓", "has all of it", "have all of it"],
    unguarded: ["✓", "has all of it, but does not refuse all of these mistakes",
      "have all of it, but do not refuse all of these mistakes"],
    unknown: ["?", "was not asked all of it", "were not asked all of it"],
    blocked: ["✗", "lacks something", "lack something"],
  };
  const SIGNS = { silently: ["silent", "✗"], dying: ["crashed", "†"], loudly: ["loud", "!"], none: ["unsupported", "–"] };
  const FAILS = { silently: "wrong without a sign", dying: "dies or hangs", loudly: "raises an error", none: "not offered" };
  const TAKES = { silently: "mistake not refused", dying: "dies or hangs", loudly: "refuses valid calls too", none: "not known to refuse" };
  const RECIPES = { fits: "has all of it", unguarded: "has all of it, but does not refuse all of the mistakes",
    unknown: "was not asked all of it", blocked: "does not have all of it either" };

  function makeForm() {
    const groups = new Map();
    for (const feature of advice.features.values()) {
      if (!groups.has(feature.group)) groups.set(feature.group, []);
      groups.get(feature.group).push(feature);
    }
    const isMistake = (title) => title.startsWith("Mistakes");
    const titles = [...groups.keys()].sort((one, other) => isMistake(one) - isMistake(other));
    for (const title of titles) {
      const tally = el("span", { class: "tally" });
      const list = groups.get(title).map((feature) => {
        const box = el("input", { type: "checkbox", value: feature.name });
        boxes.set(feature.name, { box, isMistake: isMistake(title) });
        return el("label", { class: "need" }, box, el("span", {}, el("span", { class: "name" }, feature.name),
          el("span", { class: "sub" }, feature.says)));
      });
      const node = el("details", { class: "needs" }, el("summary", {}, title, " ", tally), ...list);
      node.tally = tally;
      document.getElementById("features").append(node);
    }
    for (const [name, says, needs, refused] of data.profiles) {
      const button = el("button", { type: "button", title: says, "aria-pressed": "false", value: name }, name);
      button.addEventListener("click", () => { put({ needs, refused, dtype: "float32", indices: [] }); show(); });
      document.getElementById("profiles").append(button);
    }
    document.getElementById("clear").addEventListener("click", () => {
      put({ needs: [], refused: [], dtype: "float32", indices: [] });
      show();
    });
    form.addEventListener("change", show);
    form.addEventListener("submit", (event) => event.preventDefault());
    document.getElementById("advice-form").hidden = false;
  }

  /** Tick what is needed. A need that is a mistake by its group is one that should be an error. */
  function put(state) {
    const ticked = new Set([...state.needs, ...state.refused]);
    for (const [name, { box }] of boxes) box.checked = ticked.has(name);
    dtype.value = state.dtype;
    for (const box of indices) box.checked = state.indices.includes(box.value);
    for (const node of document.querySelectorAll("details.needs")) {
      node.open = !isNarrow.matches && Boolean(node.querySelector(":checked"));
    }
  }

  function ticked() {
    const names = (isMistake) => [...boxes].filter(([, entry]) => entry.box.checked && entry.isMistake === isMistake)
      .map(([name]) => name);
    const profile = profileOf({ needs: names(false), refused: names(true) });
    // What is alike stands in the order of the needs, and a profile has one of its own.
    return { needs: profile ? profile[2] : names(false), refused: profile ? profile[3] : names(true),
      dtype: dtype.value, indices: indices.filter((box) => box.checked).map((box) => box.value) };
  }

  const alike = (one, other) => [...one].sort().join() === [...other].sort().join();
  const profileOf = (state) => data.profiles.find(([, , needs, refused]) => (
    alike(needs, state.needs) && alike(refused, state.refused)));

  function addressOf(state) {
    const profile = profileOf(state);
    const parts = new URLSearchParams();
    if (profile) parts.set("profile", profile[0]);
    else parts.set("need", state.needs.join(","));
    if (!profile && state.refused.length) parts.set("refuse", state.refused.join(","));
    if (state.dtype !== "float32") parts.set("dtype", state.dtype);
    if (state.indices.length) parts.set("index", state.indices.join(","));
    return `#${parts.toString().replaceAll("%2C", ",")}`;
  }

  /** Read an address; null if it names no needs. What it names and nobody knows is left out. */
  function read(address) {
    const parts = new URLSearchParams(address.slice(1));
    const profile = data.profiles.find(([name]) => name === parts.get("profile"));
    if (!profile && !parts.has("need") && !parts.has("refuse")) return null;
    const names = (key) => (parts.get(key) || "").split(",");
    const types = [...dtype.options].map((option) => option.value);
    return {
      needs: profile ? profile[2] : names("need"), refused: profile ? profile[3] : names("refuse"),
      dtype: types.includes(parts.get("dtype")) ? parts.get("dtype") : "float32", indices: names("index"),
    };
  }

  function names(remarks) {
    const shown = remarks.slice(0, NAMES_SHOWN).map((remark) => remark.feature);
    const more = remarks.length - shown.length;
    return shown.join(", ") + (more > 0 ? ` and ${more} more` : "");
  }

  /** One line for each way to fail, the worst first. */
  function lines(remarks, words) {
    const found = new Map();
    for (const remark of remarks) {
      const how = remark.how || "none";
      found.set(how, [...(found.get(how) || []), remark]);
    }
    return [...found].map(([how, some]) => sign(SIGNS[how], words[how], names(some)));
  }

  function sign([key, symbol], words, rest) {
    return el("span", { class: "why" }, el("span", { class: `chip ${key}` },
      el("span", { "aria-hidden": "true" }, symbol), ` ${words}`), " ", el("span", { class: "names" }, rest));
  }

  function summaryLines({ fit, blockers, unguarded, unknown, limits }) {
    if (fit === "blocked") return lines(blockers, FAILS);
    const found = lines(unguarded, TAKES);
    if (unknown.length) found.push(sign(["not-run", "?"], "not asked", names(unknown)));
    if (limits.length) found.push(sign(["unsupported", "–"], "in part", names(limits)));
    return found;
  }

  /** What a remark says at length: with what it fails, what conforms, and a case that shows it. */
  function remarkNode(remark, row, words) {
    const { says } = advice.features.get(remark.feature);
    const said = words[remark.how || "none"];
    const details = [remark.support === "unknown" ? "not asked" : said, failsWith(advice, remark)];
    const node = el("li", {}, el("span", { class: "name" }, remark.feature), ` ${details.filter(Boolean).join(" ")}. `,
      el("span", { class: "sub" }, says));
    if (remark.by) node.append(" It conforms as ", el("code", {}, bdi(remark.by)), ".");
    if (remark.found.example && remark.how) {
      node.append(el("a", { class: "link", href: linkTo({ case: remark.found.example, backend: row.backend.id }) },
        "a case that shows it"));
    }
    return node;
  }

  function fill(row, body) {
    const blocked = row.fit === "blocked";
    const all = [...row.blockers.map((remark) => [remark, FAILS]), ...row.unguarded.map((remark) => [remark, TAKES]),
      ...row.unknown.map((remark) => [remark, FAILS]), ...(blocked ? [] : row.limits.map((remark) => [remark, { none: "not offered" }]))];
    if (all.length) body.append(el("ul", { class: "remarks" }, ...all.map(([remark, words]) => remarkNode(remark, row, words))));
    else body.append(el("p", {}, "Every case that decides these features passed."));
    if (row.beside.length) {
      body.append(el("p", { class: "quiet" }, `With other options fails: ${names(row.beside)}.`));
    }
    if (blocked && row.recipe) {
      const { name, backend, fit } = row.recipe;
      body.append(el("p", {}, "Code to copy: ", el("code", {}, `embcheck recipe ${name}`), "; ",
        backend ? `${backend} ${RECIPES[fit]}.` : "whether it has all of it is not known."));
    }
  }

  function rowNode(row) {
    const { id, library, speed } = row.backend;
    const [ratio, place, time] = speed || [];
    const body = el("div", { class: "body" });
    const timed = speed ? el("span", { class: "sub speed" }, `place ${place}, ${ratio.toPrecision(3)} × the reference`
      + `${time === "-" ? "" : `, ${time} ns a lookup`}`) : "";
    const node = el("details", { class: "answer" }, el("summary", {},
      el("span", { class: "who" }, el("bdi", { class: "name" }, id), el("span", { class: "sub" }, bdi(library)), timed),
      el("span", { class: "reasons" }, ...summaryLines(row))), body);
    node.addEventListener("toggle", () => { if (node.open && !body.hasChildNodes()) fill(row, body); });
    return el("li", { class: row.fit, "data-backend": id }, node);
  }

  function answer(state) {
    const used = advice.indicesOf(state.needs, state.indices);
    const rows = advice.answer({ features: state.needs, refused: state.refused, dtype: state.dtype, indices: used });
    const parts = [];
    for (const [fit, [symbol, one, many]] of Object.entries(HEADS)) {
      const some = rows.filter((row) => row.fit === fit);
      if (!some.length) continue;
      parts.push(el("h3", { class: `fit ${fit}` }, el("span", { "aria-hidden": "true" }, symbol),
        ` ${some.length} ${some.length === 1 ? one : many}`),
      el("ol", { class: "backends" }, ...some.map(rowNode)));
    }
    document.getElementById("answers").replaceChildren(...parts);
    const errors = state.refused.length ? ` Should be errors: ${state.refused.join(", ")}.` : "";
    const timed = data.timed ? ` Equally good ones are in order of speed, on ${data.timed[0]}, ${data.timed[1]}.` : "";
    const profile = profileOf(state);
    const says = profile ? `${profile[1]} ` : "";
    document.getElementById("asked").textContent = `${says}Needed, for ${state.dtype} tables and ${used.join(" and ")} indices: `
      + `${state.needs.join(", ")}.${errors}${timed}`;
  }

  function show() {
    const state = ticked();
    render(state);
    history.replaceState(null, "", addressOf(state));
  }

  function render(state) {
    const profile = profileOf(state);
    for (const button of form.querySelectorAll("#profiles button")) {
      button.setAttribute("aria-pressed", String(Boolean(profile) && profile[0] === button.value));
    }
    for (const node of document.querySelectorAll("details.needs")) {
      const count = node.querySelectorAll(":checked").length;
      node.tally.textContent = count ? `${count} ticked` : "";
    }
    if (state.needs.length || state.refused.length) { answer(state); return; }
    document.getElementById("answers").replaceChildren();
    document.getElementById("asked").textContent = "Tick what you need, or begin with a typical use.";
  }

  function follow() {
    const state = read(location.hash);
    if (!state) return;
    put(state);
    render(ticked());
  }

  makeForm();
  const [, , needs, refused] = data.profiles[0];
  put(read(location.hash) || { needs, refused, dtype: "float32", indices: [] });
  render(ticked());
  window.addEventListener("hashchange", follow);
}

if (document.getElementById("advice")) {
  withBlock("needs-data", showNeeds, () => {
    document.getElementById("asked").textContent = "This browser is too old to unpack the answers.";
  });
}
