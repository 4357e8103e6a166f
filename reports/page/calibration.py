"""The error rates of timings on known differences, as a part of the report and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from embcheck.reports.evidence import Document
from embcheck.reports.units import plural

_NAMES: Final = {"hot": "hot", "dram": "DRAM"}


@dataclass(frozen=True)
class MethodRow:
    """A method of comparison, and how often it gave each verdict on each planted difference."""

    method: str
    ours: bool
    shares: tuple[str, ...]


@dataclass(frozen=True)
class TargetRow:
    """A target and the measured rate; `tone` is `good`, `bad` or `unknown`."""

    what: str
    wanted: str
    found: str
    tone: str


@dataclass(frozen=True)
class Calibration:
    """The calibration in a report; `columns` are the headings of the methods' shares."""

    source: str
    machine: str
    effort: str
    columns: tuple[str, ...]
    methods: tuple[MethodRow, ...]
    targets: tuple[TargetRow, ...]


def calibration(document: Document) -> Calibration:
    """Return the part of a report that shows a calibration.json."""
    data = document.data
    places = _places(data)
    return Calibration(
        document.source,
        f"{data['machine'].get('cpu')}, {data['machine'].get('cores')} cores",
        _effort(data),
        tuple(_head(*place) for place in places),
        tuple(_method(method, places) for method in data["methods"]),
        tuple(_target(target) for target in data["targets"]),
    )


def markdown(data: Mapping[str, Any]) -> str:
    """Return the tables of a calibration.json as Markdown."""
    found = calibration(Document(data, ""))
    lines = [
        f"Measured on {found.machine}; {found.effort}",
        "",
        *_table(
            ("method", *found.columns),
            ((f"**{row.method}**" if row.ours else row.method, *row.shares)
             for row in found.methods),
        ),
        "",
        *_table(
            ("aim", "wanted", "found", ""),
            ((row.what, row.wanted, row.found, _word(row.tone)) for row in found.targets),
        ),
    ]  # fmt: skip
    return "\n".join(lines)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)]


def _places(data: Mapping[str, Any]) -> list[tuple[str, int]]:
    """List each state and planted difference, those without a difference first."""
    found = {
        (cell["planted_percent"], cell["state"])
        for method in data["methods"]
        for cell in method["cells"]
    }
    return [
        (state, percent) for percent, state in sorted(found, key=lambda x: (x[0], x[1] != "hot"))
    ]


def _head(state: str, percent: int) -> str:
    what = f"{percent} % found" if percent else "same called different"
    return f"{what}, {_NAMES.get(state, state)}"


def _method(method: Mapping[str, Any], places: Iterable[tuple[str, int]]) -> MethodRow:
    cells = {(cell["state"], cell["planted_percent"]): cell for cell in method["cells"]}
    return MethodRow(
        method["method"], method["ours"], tuple(_share(cells.get(place)) for place in places)
    )


def _share(cell: Mapping[str, Any] | None) -> str:
    """Return how often a difference was found, and how often in the wrong direction."""
    if cell is None or not cell["comparisons"]:
        return "-"
    planted = cell["planted_percent"] > 0
    # A planted difference makes the second one slower. Without one, either verdict is wrong.
    found = cell["slower"] if planted else cell["slower"] + cell["faster"]
    wrong = f", {cell['faster']} wrongly" if planted and cell["faster"] else ""
    return f"{found / cell['comparisons']:.1%} of {cell['comparisons']}{wrong}".replace("%", " %")


def _target(target: Mapping[str, Any]) -> TargetRow:
    limit = "at most" if target["relation"] == "<=" else "at least"
    # Without comparisons there is no share.
    found = "-"
    if target["of"]:
        found = f"{target['count'] / target['of']:.1%} ({target['count']} of {target['of']})"
    tone = {True: "good", False: "bad", None: "unknown"}[target["met"]]
    wanted = f"{limit} {target['wanted']:.0%}"
    return TargetRow(target["what"], wanted.replace("%", " %"), found.replace("%", " %"), tone)


def _word(tone: str) -> str:
    return {"good": "met", "bad": "**missed**"}.get(tone, "not known")


def _effort(data: Mapping[str, Any]) -> str:
    settings = data["settings"]
    states = ", ".join(
        f"{plural(trial['count'], 'trial')} {_NAMES.get(trial['state'], trial['state'])} of "
        f"{trial['median_rounds']} rounds ({trial['flagged_share']:.0%} of them disturbed)"
        for trial in data["trials"]
    )
    return (
        f"{states}; {settings['generations']} generations, blocks of {settings['block_ms']:g} ms, "
        f"{settings['sequential_blocks']} blocks of each one after another."
    ).replace("%", " %")
