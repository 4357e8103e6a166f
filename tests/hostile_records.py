"""Hostile records: a small record with lines of all types, and random mutations of it."""

from __future__ import annotations

import copy
import io
import json
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from report_runs import INVALID, PLAIN, case, every_outcome, header, result, run, timing
from rich.console import Console

from embcheck.conformance.records.details import (
    ArmRecord,
    CallTimes,
    Lost,
    PriceDetails,
    PriceRounds,
    TimingDetails,
)
from embcheck.conformance.records.join import join
from embcheck.conformance.records.lines import (
    PriceLine,
    Reason,
    RoundsLine,
    RunFooter,
    to_json_data,
)
from embcheck.conformance.records.run import FILE_NAME, RecordError, Run, read_runs
from embcheck.reports.diff import compare
from embcheck.reports.merge import merge
from embcheck.reports.page.html import render_html
from embcheck.reports.terminal.diff import print_difference
from embcheck.reports.terminal.summary import print_conformance, print_timings
from embcheck.reports.triage import write_candidates

Lines = list[dict[str, Any]]
Path_ = tuple[Any, ...]
LATER = "2026-11-21T11:00:00+00:00"
LONE = "\ud800\x1b[31m\u202e\n</script>"
WRONG: tuple[Any, ...] = (
    None, True, 0, -1, 2.5, 10**19, 1e308, "", "none", "../x", LONE, [], [[[]]], [LONE], [None],
    {}, {"a": {"b": []}}, {LONE: LONE},
)  # fmt: skip
"""Values that mutations put in place of others."""


def whole_record() -> Lines:
    """Return the lines of a record with two runs: one of cases, one of timings and prices."""
    cases = every_outcome()
    info = {
        "id": "acme", "library": "l", "version": "1", "device": "cpu", "capabilities": ["sparse"],
        "operations": {"embedding": {"provision": "native", "spelling": "f()"}},
        "made_from": "other", "threads": 1, "instructions": "avx2", "settings": {"x64": "yes"},
    }  # fmt: skip
    cases.header = replace(cases.header, backends=(info,))
    timed = Run(header([info], purpose="curves", started=LATER, settings={"reference": "acme"}))
    for name in ("rows=10", "rows=100"):
        timed.add(_rounds(name))
        for backend, role in (("acme", "reference"), ("zeta", "candidate")):
            timed.add(timing(backend, workload=name, role=role, details=_details(), flags=("a/a",)))
    timed.add(timing("acme", "NOT TIMED", ratio=None, reasons=(Reason("a/a", "too noisy"),)))
    timed.add(
        PriceLine(
            *("r1", "acme", 1, "semantics", "max_norm", "plain", 10.0, 20.0, 2.0, 1.9, 2.1),
            *("SLOWER", "dear"),
            PriceDetails(PriceRounds("n", 0.03, (8, 8), (((1.0, 2.0),),))),
        )
    )
    counts = {"SAME": 4, "NOT TIMED": 1, "SLOWER": 1}
    timed.add(RunFooter(LATER, 60.0, 0, counts))
    return [_plain(line) for made in (cases, timed) for line in _all_lines(made)]


def passing_record() -> Lines:
    """Return the lines of a run of two backends and four cases, in which everything passes."""
    cases = [case(f"{PLAIN}-{number}") for number in range(3)] + [case(INVALID, "domain")]
    results = [result(name, of=of) for name in ("acme", "zeta") for of in cases]
    return [_plain(line) for line in _all_lines(run([*cases, *results], ["acme", "zeta"]))]


def numbers_of(lines: Lines, kind: str, **values: Any) -> list[int]:
    """Return the numbers of the lines that have a type and these values."""
    return [
        number
        for number, line in enumerate(lines)
        if line["type"] == kind and values.items() <= line.items()
    ]


def _plain(line: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(to_json_data(line)))
    return made


def _all_lines(made: Run) -> Iterator[Any]:
    yield made.header
    for lines in (made.clauses.values(), made.cases.values(), made.results, made.rounds):
        yield from lines
    yield from (*made.measurements, *made.prices, made.footer)


def _details() -> TimingDetails:
    return TimingDetails(reference="acme", times=CallTimes(5.0, None, 4.0, 6.0))


def _rounds(name: str) -> RoundsLine:
    arms = {
        key: ArmRecord(
            *(backend, role, 0.1, {"prepare_seconds": 0.1}, {}, {"timer_seconds": 1e-8}),
            *(8, ((1, 0.1),), {}, 10**7),
        )
        for key, backend, role in (("0", "acme", "reference"), ("1", "zeta", "candidate"))
    }
    block = [0.1, 0.1, 0, 0.0, 0.0, 0.0, 0.0]
    blocks = {"0": [block, block], "1": [[0.2, *block[1:]], block]}
    round_ = {"order": ["0", "1"], "blocks": blocks, "noise": {"load": 0.1}}
    lost = (Lost("candidate", "eta", "died", 1),)
    return RoundsLine(name, "hot", 1, 0, "acme", {"lookups": 9}, arms, (round_,) * 3, lost)


def text_of(lines: Lines) -> bytes:
    """Return the bytes of a record."""
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def places(lines: Lines) -> list[Path_]:
    """List paths of values in a record: a line number, then keys.

    Similar lines are represented by the first one, and lists by their first two entries.
    """
    found: list[Path_] = []

    def walk(value: Any, path: Path_) -> None:
        found.append(path)
        children: Any = ()
        if isinstance(value, dict):
            children = value.items()
        elif isinstance(value, list):
            children = list(enumerate(value))[:2]
        for key, entry in children:
            walk(entry, (*path, key))

    seen: set[tuple[Any, ...]] = set()
    for number, line in enumerate(lines):
        kind = (line["type"], line.get("outcome"), bool(line.get("control")))
        if kind not in seen:
            seen.add(kind)
            for key in line:
                walk(line[key], (number, key))
    return found


def with_value(lines: Lines, path: Path_, value: Any) -> Lines:
    """Return a record with another value at a path."""
    made = list(lines)
    made[path[0]] = owner = copy.deepcopy(made[path[0]])
    for key in path[1:-1]:
        owner = owner[key]
    owner[path[-1]] = value
    return made


def without(lines: Lines, path: Path_) -> Lines:
    """Return a record without the value at a path."""
    made = list(lines)
    made[path[0]] = owner = copy.deepcopy(made[path[0]])
    for key in path[1:-1]:
        owner = owner[key]
    del owner[path[-1]]
    return made


def value_mutations(lines: Lines, number: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield records in which a value is replaced or removed, each with its description."""
    chance = random.Random(seed)
    where = places(lines)
    for _ in range(number):
        path = chance.choice(where)
        value = chance.choice(WRONG)
        if chance.random() < 0.1:
            yield f"without {path}", text_of(without(lines, path))
        else:
            yield f"{path} = {value!r}", text_of(with_value(lines, path, value))


def line_mutations(lines: Lines, number: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield records in which a line is dropped, doubled or swapped, each with its description."""
    chance = random.Random(seed)
    for _ in range(number):
        one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        made = list(lines)
        what = chance.choice(("drop", "double", "swap"))
        if what == "drop":
            del made[one]
        elif what == "double":
            made.insert(other, made[one])
        else:
            made[one], made[other] = made[other], made[one]
        yield f"{what} {one} {other}", text_of(made)


def byte_mutations(lines: Lines, number: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield records with bytes changed, inserted or cut off, each with its description."""
    chance = random.Random(seed)
    text = text_of(lines)
    for _ in range(number):
        made = bytearray(text)
        place = chance.randrange(len(made))
        what = chance.choice(("flip", "insert", "cut", "digit"))
        if what == "flip":
            made[place] ^= 1 << chance.randrange(8)
        elif what == "insert":
            made[place:place] = chance.randbytes(3)
        elif what == "digit":
            made[place : place + 1] = chance.choice((b"9", b"-", b"e9", b"[", b'"', b"\x00"))
        else:
            del made[place:]
        yield f"{what} {place}", bytes(made)


def use(folder: Path, text: bytes, base: list[Run]) -> str:
    """Use a record in all ways that the commands do; return its page, or why it was refused."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE_NAME).write_bytes(text)
    try:
        runs = read_runs(folder)
        console = Console(file=io.StringIO(), width=80)
        page = render_html(runs)
        print_conformance(runs, console)
        print_timings(runs, console)
    except RecordError as error:
        return str(error)
    for before, after in ((base, runs), (runs, base), (runs, runs)):
        with suppress(RecordError):
            _diff(before, after, console)
    merged = merge(runs)
    with suppress(RecordError):
        write_candidates(merged, folder / "triage")
    with suppress(RecordError):
        join([folder], folder / "joined")
    return page


def _diff(before: list[Run], after: list[Run], console: Console) -> None:
    found = compare(merge(before), merge(after))
    print_difference(found, ("a", "b"), console)
    json.loads("\n".join(found.json_lines()))
