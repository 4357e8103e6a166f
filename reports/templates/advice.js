"use strict";
// Which backends have what somebody needs: `answers/advice.py` and `answers/concern.py`, again.
// Sets of words are whole numbers, a bit a word. A test holds the answers to those of Python.
const FITS = ["fits", "unguarded", "unknown", "blocked"];
const HOW = { s: "silently", d: "dying", l: "loudly" };
const SEVERITY = ["silently", "dying", "loudly", null];
const MARGINAL = 0.1;

class Advice {
  constructor(data) {
    this.data = data;
    this.bit = new Map(data.words.map((word, place) => [word, 1n << BigInt(place)]));
    this.kinds = Object.fromEntries(
      Object.entries(data.kinds).map(([name, bits]) => [name, BigInt(`0x${bits}`)]));
    const { tables, indices, modes, forms, operations } = this.kinds;
    this.free = tables | indices | modes | forms | operations;
    this.features = new Map(data.features.map(([name, says, group, about, contexts], number) => {
      const sets = contexts ? contexts.split(" ").map((bits) => BigInt(`0x${bits}`)) : [];
      const shared = sets.length ? sets.reduce((one, other) => one & other) : 0n;
      const own = BigInt(`0x${about}`) | (shared & operations);
      return [name, { name, says, group, number, contexts: sets, shared, own, about: BigInt(`0x${about}`) }];
    }));
    this.backends = data.backends.map(([id, library, family, recipe, speed, cells]) => (
      { id, library, family, recipe, speed, cells: cells.map(readCell) }));
  }

  /** Answer needs: `features`, `refused`, `dtype` and `indices`; a row for each backend, best first. */
  answer(needs) {
    const concern = new Concern(this, needs);
    const every = this.backends.map((backend) => adviceOn(concern, needs, backend));
    const lengths = (advice) => [FITS.indexOf(advice.fit), advice.blockers.length,
      advice.unguarded.length, advice.limits.length];
    every.sort((one, other) => byNumbers(lengths(one), lengths(other)));
    for (const advice of every) advice.recipe = recipeFor(advice, every);
    const place = ({ fit, backend }) => [FITS.indexOf(fit), backend.speed ? backend.speed[0] : Infinity];
    return every.sort((one, other) => byNumbers(place(one), place(other)));
  }

  /** The dtypes of indices that needs are about: those chosen, and those that features bring. */
  indicesOf(features, chosen) {
    const brought = ["int32", "int64"].filter((name) => {
      const word = this.bit.get(`${name} indices`);
      return features.some((feature) => this.features.get(feature).about & word);
    });
    const found = [...new Set([...chosen, ...brought])];
    return found.length ? found : ["int64"];
  }
}

function byNumbers(one, other) {
  const place = one.findIndex((number, at) => number !== other[at]);
  return place < 0 ? 0 : one[place] < other[place] ? -1 : 1;
}

function readCell(cell) {
  const [said, packed = "", instead = "", example = "", dtypes = {}] = typeof cell === "string" ? [cell] : cell;
  return { ...readSaid(said), packed, instead, example, dtypes };
}

function readSaid(said) {
  const [support, how] = said.split(" ");
  return { support, how: how || null };
}

function unpacked(text) {
  return text.replace(/([a-zA-Z])(\d+)/g, (_, letter, count) => letter.repeat(Number(count)));
}

function worstOf(letters) {
  const lower = new Set([...letters].map((letter) => letter.toLowerCase()));
  return HOW[["s", "d", "l"].find((letter) => lower.has(letter))] || null;
}

/** Whether something fails or is not offered at all; a part that is not offered is a limit. */
function blocks(found) {
  return found.how !== null || found.support === "no" || found.support === "absent";
}

class Concern {
  constructor(advice, needs) {
    this.advice = advice;
    this.dtype = needs.dtype;
    this.kept = new Map();
    const { tables, indices, modes, forms, operations } = advice.kinds;
    const own = (name) => advice.features.get(name).own;
    this.words = needs.features.reduce((words, name) => words | own(name), 0n);
    const of = (names) => names.reduce((words, name) => words | advice.bit.get(name), 0n);
    this.wanted = of(needs.indices.map((name) => `${name} indices`));
    this.chosen = [[operations, this.words & operations], [tables, of([`${needs.dtype} tables`])],
      [indices, this.wanted], [modes, this.words & modes], [forms, this.words & forms]];
    this.float32 = of(["float32 tables"]);
    this.int64 = of(["int64 indices"]);
  }

  /** The places of those contexts of a feature that concern the needs. */
  places(feature) {
    if (!this.kept.has(feature.name)) this.kept.set(feature.name, this.choose(feature));
    return this.kept.get(feature.name);
  }

  choose(feature) {
    const { contexts, own, shared } = feature;
    const { free, kinds } = this.advice;
    let allowed = this.words | own | shared;
    if (own & kinds.sizes) allowed |= kinds.sizes;
    const every = [...contexts.keys()];
    const plain = every.filter((place) => !(contexts[place] & ~free & ~allowed));
    let kept = plain.length ? plain : every;
    for (const [kind, chosen] of this.chosen) {
      const others = chosen ? kind & ~chosen & ~own : 0n;
      const direct = kept.filter((place) => !(contexts[place] & others));
      const usual = (kind === kinds.tables ? this.float32 : kind === kinds.indices ? this.int64 : 0n) & others;
      const told = new Set(direct.map((place) => contexts[place] & ~kind));
      const more = !usual ? [] : kept.filter((place) => (contexts[place] & kind) === usual
        && (kind === kinds.indices || !told.has(contexts[place] & ~kind)));
      if (direct.length + more.length) kept = [...direct, ...more];
    }
    return kept.sort((one, other) => one - other);
  }

  /** The letters of the contexts that concern the needs; null without letters. */
  told(feature, found) {
    const letters = unpacked(found.packed);
    if (!letters || letters.length !== feature.contexts.length) return null;
    const told = new Map(this.places(feature).map((place) => [feature.contexts[place], letters[place]]));
    const { indices } = this.advice.kinds;
    const singles = ["int32", "int64"].map((name) => this.advice.bit.get(`${name} indices`))
      .filter((bit) => this.wanted & bit);
    return new Map([...told].filter(([words, letter]) => !("aplL".includes(letter)
      && (words & indices) === this.int64 && this.wanted !== this.int64
      && singles.some((bit) => told.has((words & ~this.int64) | bit)))));
  }

  remark(backend, name) {
    const feature = this.advice.features.get(name);
    const found = backend.cells[feature.number];
    const told = this.told(feature, found);
    if (told === null) {
      const part = found.dtypes[this.dtype];
      return { feature: name, found, ...(part ? readSaid(part) : { support: found.support, how: found.how }) };
    }
    return decided(feature, found, told, feature.own & ~this.advice.free & ~feature.shared);
  }
}

/** Decide a feature by the letters of the contexts that concern somebody. */
function decided(feature, found, everything, gates) {
  const told = new Map([...everything].filter(([, letter]) => letter !== "n"));
  const letters = new Set(told.values());
  const how = worstOf(letters);
  const having = (wanted) => [...told].filter(([, letter]) => wanted.includes(letter)).map(([words]) => words);
  const passes = having("yp");
  const remark = { feature: feature.name, support: "unknown", how, found, by: "", failing: [] };
  if (how !== null) {
    remark.support = found.support === "no" ? "no" : "partly";
    remark.failing = having("sdlSDL");
    if (remark.failing.every((words) => "SDL".includes(told.get(words)))) remark.by = found.instead;
  } else if (letters.size && !letters.has("u")) {
    const isWhole = !letters.has("a") && !letters.has("p");
    const uses = passes.some((words) => words & gates) || ![...told.keys()].some((words) => words & gates);
    const isOffered = uses && passes.length > MARGINAL * told.size;
    remark.support = isWhole ? "yes" : isOffered ? "partly" : "absent";
    if (!isWhole && isOffered) remark.failing = having("ap");
  }
  const about = [...told.keys()].filter((words) => words & gates);
  remark.others = (about.length ? about : [...told.keys()]).filter((words) => !remark.failing.includes(words));
  return remark;
}

function adviceOn(concern, needs, backend) {
  const parts = needs.features.map((name) => concern.remark(backend, name));
  const guards = needs.refused.map((name) => concern.remark(backend, name));
  const worst = (remarks) => remarks.sort(
    (one, other) => SEVERITY.indexOf(one.how) - SEVERITY.indexOf(other.how));
  const blockers = worst(parts.filter(blocks));
  const unknown = parts.filter((remark) => remark.support === "unknown");
  const unguarded = worst(guards.filter((remark) => remark.support !== "yes"));
  const limits = parts.filter((remark) => remark.support === "partly" && !blocks(remark));
  const beside = parts.filter((remark) => !blocks(remark) && remark.found.how);
  const fit = blockers.length ? "blocked" : unknown.length ? "unknown" : unguarded.length ? "unguarded" : "fits";
  return { backend, fit, blockers, unguarded, unknown, limits, beside };
}

/** The recipe for a backend's library, with what it means for the needs; null if there is none. */
function recipeFor(advice, every) {
  const [name, own] = advice.backend.recipe;
  if (!name) return null;
  const found = every.find(({ backend }) => backend.id === own);
  return { name, backend: own || null, fit: found ? found.fit : null };
}

/** Say with what something fails, if it is not with everything, as `conditions.py` does. */
function failsWith(advice, remark) {
  const { failing, others } = remark;
  if (!failing || !failing.length || !others.length) return "";
  const { words } = advice.data;
  const listed = (sets) => sets.map((bits) => words.filter((word) => bits & advice.bit.get(word)))
    .sort((one, other) => {
      const place = one.findIndex((word, at) => word !== other[at]);
      return place < 0 ? one.length - other.length : other[place] === undefined || one[place] > other[place] ? 1 : -1;
    });
  const said = conditions(listed(failing), listed(others));
  return said || `in ${failing.length} of ${failing.length + others.length} kinds of calls`;
}

const MOST_CONDITIONS = 3;

/** The fewest words, or pairs of words, that all of some sets have and no other; "" if too many. */
function conditions(some, others) {
  const places = new Map();
  for (const words of some) words.forEach((word, place) => places.set(word, place));
  // `conditions.py` takes this word for the name of a size, and leaves it out.
  places.delete("bags");
  const single = [...places.keys()].sort((one, other) => places.get(one) - places.get(other));
  const holds = (condition, words) => condition.every((word) => words.includes(word));
  const isPure = (condition) => !others.some((words) => holds(condition, words));
  const pure = single.map((word) => [word]).filter(isPure);
  const plain = new Set(pure.map(([word]) => word));
  single.forEach((one, place) => {
    for (const other of single.slice(place + 1)) {
      const pair = [one, other];
      if (plain.has(one) || plain.has(other)) continue;
      if (some.filter((words) => holds(pair, words)).length > 1 && isPure(pair)) pure.push(pair);
    }
  });
  const chosen = [];
  let left = some;
  while (left.length && pure.length && chosen.length < MOST_CONDITIONS) {
    const counts = pure.map((condition) => left.filter((words) => holds(condition, words)).length);
    const best = pure[counts.indexOf(Math.max(...counts))];
    const still = left.filter((words) => !holds(best, words));
    if (still.length === left.length) return "";
    chosen.push(best.join(" and "));
    left = still;
  }
  if (left.length || !chosen.length) return "";
  const last = chosen.pop();
  return chosen.length ? `with ${chosen.join(", ")} or ${last}` : `with ${last}`;
}
