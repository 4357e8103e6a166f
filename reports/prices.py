"""The prices of a report: the cost of each option, stage and spelling on each backend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from embcheck.conformance.records.lines import PriceLine
from embcheck.conformance.records.run import Run
from embcheck.reports.timings import ratio_texts
from embcheck.reports.units import seconds_text
from embcheck.reports.untrusted import finite

KINDS = {
    "semantics": "What an option costs",
    "stage": "Forward, backward and step",
    "spelling": "How a lookup is spelled",
}


@dataclass(frozen=True)
class Price:
    """One price as text: the ratio to the call without it, and the time that it adds."""

    workload: str
    backend: str
    variant: str
    plain: str
    per_call: str
    added: str
    ratio: str
    interval: str
    verdict: str
    tone: str
    message: str


def price_groups(runs: Iterable[Run]) -> list[tuple[str, list[Price]]]:
    """Group the prices of runs by kind; the latest one of each variant counts."""
    last: dict[tuple[str, ...], PriceLine] = {}
    for run in runs:
        for line in run.prices:
            key = (line.kind, line.workload, line.backend, line.variant)
            last[tuple(map(str, key))] = line
    groups: dict[str, list[Price]] = {}
    for line in last.values():
        groups.setdefault(KINDS.get(line.kind, str(line.kind)), []).append(_price(line))
    return list(groups.items())


def _price(line: PriceLine) -> Price:
    ratio, interval = ratio_texts(line)
    plain, own = finite(line.ns_plain), finite(line.ns_per_call)
    verdict = str(line.verdict)
    return Price(
        workload=str(line.workload),
        backend=str(line.backend),
        variant=str(line.variant),
        plain=str(line.plain),
        per_call=seconds_text(None if own is None else own / 1e9),
        added=_added(plain, own),
        ratio=ratio,
        interval=interval,
        verdict=verdict,
        tone=verdict.lower().replace(" ", "-"),
        message=str(line.message),
    )


def _added(plain: float | None, own: float | None) -> str:
    if plain is None or own is None:
        return "-"
    # `seconds_text` would give a negative time the wrong unit.
    sign = "-" if own < plain else "+"
    return f"{sign}{seconds_text(abs(own - plain) / 1e9)}"
