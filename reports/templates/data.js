"use strict";
// The data behind the matrix. Results are columns of numbers, for there may be many of them.

class Results {
  constructor(data) {
    this.data = data;
    this.marks = data.marks.map(([key, symbol, short, meaning, departs], number) => (
      { number, key, symbol, short, meaning, departs }));
    this.groups = data.behaviours.map(([id, sentence]) => ({ id, sentence, cases: [] }));
    this.cases = data.cases.map((entry, number) => ({ ...entry, number }));
    this.size = data.mark.length;
    this.shown = new Uint8Array(this.size).fill(1);
    let end = 0;
    for (const entry of this.cases) {
      entry.start = end;
      end += data.counts[entry.number];
      entry.end = end;
      if (entry.start < end) this.groups[entry.behaviour].cases.push(entry);
    }
    // A detail's first use is written as 0, every other one as its number, counted from 1.
    let known = 0;
    this.detail = data.detail.map((number) => (number ? number - 1 : known++));
  }

  /** One result, with all that is shown of it. */
  at(place) {
    const { data } = this;
    const [kind, message, observed, deviation, stage] = data.details[this.detail[place]];
    const backend = data.backend[place];
    return {
      backend, name: data.backends[backend], mark: this.marks[data.mark[place]],
      milliseconds: data.milliseconds[place], kind: data.texts[kind], message: data.texts[message],
      observed: observed || [], deviation: deviation ? data.deviations[deviation - 1] : null,
      stage: stage ? data.texts[stage] : "",
    };
  }

  /** The place of a case's result on a backend; -1 if it has none. */
  find(entry, backend) {
    const place = this.data.backend.indexOf(backend, entry.start);
    return place < entry.end ? place : -1;
  }

  /** The places of a case's results. */
  places(entry) {
    return Array.from({ length: entry.end - entry.start }, (_, number) => entry.start + number);
  }

  /** How many of a case's results that are shown have each mark. */
  tally(entry) {
    const counts = this.marks.map(() => 0);
    for (let place = entry.start; place < entry.end; place += 1) {
      counts[this.data.mark[place]] += this.shown[place];
    }
    return counts;
  }

  /** Which cases, backends, marks and details hold a word. */
  holding(word) {
    const { data } = this;
    const has = (text) => text.includes(word);
    this.lower ||= {
      cases: this.cases.map((entry) => {
        const clauses = entry.clauses.map((id) => `${id} ${(data.clauses[id] || []).slice(0, 4).join(" ")}`);
        const own = [entry.id, entry.title, this.groups[entry.behaviour].sentence, ...clauses];
        return own.join("\n").toLowerCase();
      }),
      backends: data.backends.map((name) => name.toLowerCase()),
      marks: this.marks.map((mark) => `${mark.key}\n${mark.short}`.toLowerCase()),
      texts: data.texts.map((text) => text.toLowerCase()),
    };
    const texts = this.lower.texts.map(has);
    return {
      cases: this.lower.cases.map(has),
      backends: this.lower.backends.map(has),
      marks: this.lower.marks.map(has),
      details: data.details.map(([kind, message, , , stage]) => (
        texts[kind] || texts[message] || Boolean(stage && texts[stage]))),
    };
  }

  /** Show the results of some marks, of one backend or all, that hold every word. */
  filter(ticked, backend, words) {
    const { mark, backend: backends } = this.data;
    const found = words.map((word) => this.holding(word));
    for (const group of this.groups) {
      group.shown = [];
      group.counts = this.marks.map(() => 0);
    }
    const total = { results: 0, cases: 0 };
    for (const entry of this.cases) {
      const group = this.groups[entry.behaviour];
      const left = found.filter((hits) => !hits.cases[entry.number]);
      let any = false;
      for (let place = entry.start; place < entry.end; place += 1) {
        const is = ticked[mark[place]] && (backend === null || backends[place] === backend)
          && left.every((hits) => hits.backends[backends[place]] || hits.marks[mark[place]]
            || hits.details[this.detail[place]]);
        this.shown[place] = is ? 1 : 0;
        if (!is) continue;
        any = true;
        group.counts[mark[place]] += 1;
        total.results += 1;
      }
      if (any) { group.shown.push(entry); total.cases += 1; }
    }
    return total;
  }
}
