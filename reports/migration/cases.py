"""The cases that show a difference, in short: the call, what is right, and what backends gave."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from embcheck.conformance.records.lines import CaseLine, ResultLine
from embcheck.conformance.records.plain import to_plain
from embcheck.reports.compat import AS_DOCUMENTED, Compat, Shown
from embcheck.reports.marks import Mark
from embcheck.reports.merge import MergedResult
from embcheck.reports.untrusted import one_line
from embcheck.reports.values import option_entries

ARRAY_LIMIT = 48
"""Characters of an array's values; a longer array is shown by dtype and shape."""
ANSWER_LIMIT = 160
CALL_LIMIT = 240


def shown(findings: list[MergedResult]) -> Shown:
    """Return a case in short, with the answers of the backends whose answers are known."""
    case = findings[0].case
    answers = {finding.backend: _answer(finding) for finding in findings}
    known = {backend: said for backend, said in answers.items() if said}
    return Shown(one_line(call_text(case), CALL_LIMIT), wanted_text(case), known)


def cases_of_both(new: Compat, old: Compat, kept: Collection[str]) -> dict[str, Shown]:
    """Return the examples of new and old data; kept backends have their older answers."""
    # Only examples that some answer names are shipped.
    columns = [(old if name in kept else new).backends[name] for name in {*new.backends, *kept}]
    named = {found.example for column in columns for found in column.features.values()}
    found = {}
    for name in sorted(named & {*new.cases, *old.cases}):
        answers: dict[str, str] = {}
        for data in (old, new):
            if name in data.cases:
                answers |= {
                    backend: said
                    for backend, said in data.cases[name].answers.items()
                    # A kept backend has its answers in the older data, any other in the new.
                    if (backend in kept) == (data is old)
                }
        case = (new if name in new.cases else old).cases[name]
        found[name] = Shown(case.call, case.wanted, answers)
    return found


def call_text(case: CaseLine) -> str:
    """Write a case's call on one line: `embedding(weight: float32 4 x 2, indices: int32 [1, -1])`.

    Short arrays are written with their values. Of several calls, the first is written.
    """
    call = case.call
    parts = [f"{name}: {_array(what)}" for name, what in (call.get("inputs") or {}).items()]
    parts += [f"{entry.name}={entry.head}" for entry in option_entries(call.get("options"))]
    more = f", the first of {len(case.steps)} calls" if case.steps else ""
    return f"{call.get('operation', '?')}({', '.join(parts)}){more}"


def wanted_text(case: CaseLine) -> str:
    """Return what a case's call must give: an error, or what must be observed."""
    if case.expected is None:
        return "an error"
    said = _observed(case.expected)
    # Of several calls only the first is shown, so no single result belongs beside it.
    return said if said and not case.steps else AS_DOCUMENTED


def _answer(finding: MergedResult) -> str:
    """Return a backend's answer to a case; empty if it is not known."""
    if finding.mark is Mark.PASSED:
        return AS_DOCUMENTED
    if finding.result is None or not (finding.mark.departs or finding.mark is Mark.DEVIATED):
        return ""
    result: ResultLine = finding.result
    # What departs only by chance has passed this time: its message says so, its values do not.
    has_no_values = finding.case.steps or finding.mark is Mark.DEVIATED
    values = "" if has_no_values else _observed(to_plain(result.observed))
    return values or one_line(result.message, ANSWER_LIMIT)


def _observed(described: Mapping[str, Any]) -> str:
    """Return the first observation as text; empty if it has many values."""
    for name, what in described.items():
        values = _values(what)
        return one_line(f"{name} = {values}", ANSWER_LIMIT) if values else ""
    return ""


def _array(what: Any) -> str:
    if not isinstance(what, Mapping):
        return "?"
    shape = what.get("shape") or ()
    form = _values(what) or " x ".join(str(size) for size in shape) or "one value"
    return f"{what.get('dtype', '?')} {form}"


def _values(what: Any) -> str:
    if not isinstance(what, Mapping) or "values" not in what:
        return ""
    (entry,) = option_entries({"": what["values"]})
    return entry.head if len(entry.head) <= ARRAY_LIMIT else ""
