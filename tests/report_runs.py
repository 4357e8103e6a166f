"""Hand-made runs for the tests of reports: few results, but of almost every outcome."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from embcheck.conformance.records.lines import (
    CaseLine,
    ClauseLine,
    KnownDeviation,
    Measurement,
    ResultLine,
    RunFooter,
    RunHeader,
    to_json_data,
)
from embcheck.conformance.records.run import Run

HOSTILE = '<script>document.title="owned"</script>\u202e\x1b[31m"\'[bold]'
INVALID = "embedding/bounds/too-large"
PLAIN = "embedding/lookup/picks-rows"
TABLE = {"dtype": "float32", "shape": [2, 2], "values": [[1.0, 2.0], [3.5, "nan"]]}
KNOWN = {"category": "by-design", "happens": "wrong-dtype", "reason": "by design"}
INDICES = {"dtype": "int64", "shape": [2], "values": [0, 5]}


def info(name: str, **more: Any) -> dict[str, Any]:
    """Make the entry of a backend in a header."""
    return {"id": name, "library": "somelib", "version": "1.2", "device": "cpu", **more}


def header(backends: Sequence[str | dict[str, Any]], **more: Any) -> RunHeader:
    """Make the header of a run of these backends, given as names or as entries of a header."""
    fields: dict[str, Any] = {
        "purpose": "conformance",
        "started": "2026-11-21T10:00:00+00:00",
        "embcheck": "0.1.0",
        "suite": "0123456789abcdef",
        "environment": {"python": "3.11.9", "cpu": "Some CPU", "cores": 2},
        "backends": tuple(info(name) if isinstance(name, str) else name for name in backends),
        "planned": 10,
    }
    return RunHeader(**{**fields, **more})


def case(name: str = PLAIN, level: str = "documented", **more: Any) -> CaseLine:
    """Make a case; one of level `domain` expects a refusal and has a control."""
    call = {"operation": "embedding", "inputs": {"weight": TABLE, "indices": INDICES}}
    control = {**call, "inputs": {"weight": TABLE, "indices": {**INDICES, "values": [0, 1]}}}
    fields: dict[str, Any] = {
        "case": name,
        "title": f"Title of {name}",
        "behaviour": "An index picks the row of that number.",
        "clauses": ("EMB-LOOK-01",),
        "level": level,
        "where": "specs/embedding/lookup.yaml:7",
        "call": {**call, "options": {"padding_idx": -1}, "observe": ["output"]},
        "expected": None if level == "domain" else {"output": TABLE},
        "control": control if level == "domain" else None,
        "control_expected": {"output": TABLE} if level == "domain" else None,
    }
    return CaseLine(**{**fields, **more})


def result(backend: str, outcome: str = "passed", of: CaseLine | None = None, **more: Any) -> Any:
    """Make a result of a case, by default of the plain one."""
    of = of or case()
    kind = more.get("kind")
    fields: dict[str, Any] = {
        "case": of.case,
        "clauses": of.clauses,
        "level": of.level,
        "backend": backend,
        "outcome": outcome,
        "kind": kind,
        "message": "",
        "seconds": 0.0021,
        "silent": None if kind is None else kind != "rejected-valid",
    }
    if isinstance(more.get("deviation"), dict):
        blank = {"category": "", "happens": "", "reason": ""}
        more["deviation"] = KnownDeviation(**{**blank, **more["deviation"]})
    return ResultLine(**{**fields, **more})


def run(
    lines: Sequence[Any],
    backends: Sequence[str | dict[str, Any]],
    ended: bool = True,
    **more: Any,
) -> Run:
    """Make a run of these lines: cases, results and measurements."""
    planned = sum(isinstance(line, ResultLine) for line in lines) if ended else 10
    made = Run(header(backends, **{"planned": planned, **more}))
    source = "nn.Embedding: summary"
    statement = "Every index picks the weight row of that number."
    made.add(ClauseLine("EMB-LOOK-01", "documented", statement, "nn.Embedding", "input", source))
    for line in lines:
        made.add(line)
    if ended:
        outcomes = Counter(line.outcome for line in made.results)
        verdicts = Counter(line.verdict for line in made.measurements)
        made.add(RunFooter("2026-11-21T10:01:00+00:00", 60.0, 1, {**outcomes, **verdicts}))
    return made


def every_outcome(backend: str = "acme") -> Run:
    """Make a run in which a backend has a result of almost every outcome, silent and loud."""
    plain, invalid = case(), case(INVALID, "domain")
    ledger = case("embedding/lookup/ledger", "implementation-defined", expected=None)
    cases = [replace(plain, case=f"{PLAIN}-{number}") for number in range(9)]
    outcomes: list[tuple[str, dict[str, Any]]] = [
        ("passed", {}),
        ("failed", {"kind": "wrong-value", "message": "output[0] = 1, should be 2"}),
        ("failed", {"kind": "rejected-valid", "message": "TypeError: no"}),
        ("crashed", {"message": "died of SIGSEGV"}),
        ("timed-out", {"message": "no answer in 60 s"}),
        ("errored", {"message": "the adapter does not report output"}),
        ("unsupported", {"message": "no capability"}),
        ("deviated", {"kind": "wrong-dtype", "deviation": KNOWN}),
        ("stale", {"message": "remove the entry"}),
    ]
    results = [
        result(backend, outcome, of, **more)
        for of, (outcome, more) in zip(cases, outcomes, strict=True)
    ]
    observed = {"output": TABLE}
    results += [
        result(
            backend,
            "failed",
            invalid,
            kind="accepted-invalid",
            message="took it",
            observed=observed,
        ),
        result(backend, "observed", ledger, observed=observed),
    ]
    return run([*cases, invalid, ledger, *results], [backend])


def timing(backend: str, verdict: str = "SAME", **more: Any) -> Measurement:
    """Make a timing, by default with a confidence interval around 1."""
    fields: dict[str, Any] = {
        "workload": "t1-one-token",
        "backend": backend,
        "state": "hot",
        "threads": 1,
        "ns_per_lookup": 83.4,
        "ratio": 1.0,
        "ratio_low": 0.99,
        "ratio_high": 1.01,
        "verdict": verdict,
        "first_call_seconds": 0.0012,
    }
    return Measurement(**{**fields, **more})


def left_open(name: str, **more: Any) -> CaseLine:
    """Make an implementation-defined case."""
    return case(name, "implementation-defined", expected=None, **more)


def reads(backend: str, reading: str | None, of: CaseLine, **more: Any) -> Any:
    """Make the result of an implementation-defined case, with its reading."""
    return result(backend, "observed", of, reading=reading, **more)


def write_run(folder: Path, made: Run) -> Path:
    """Write a run's record into a folder, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: list[Any] = [made.header, *made.clauses.values(), *made.cases.values()]
    lines += [*made.results, *made.measurements, *([made.footer] if made.footer else [])]
    text = "".join(json.dumps(to_json_data(line)) + "\n" for line in lines)
    (folder / "results.jsonl").write_text(text, "utf-8")
    return folder
