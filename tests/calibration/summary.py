"""The summary of all trials, which is written to calibration.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from calibration.judging import METHODS
from calibration.trial import PAIRS, PLANTED, Effort
from embcheck.conformance.records.environment import embcheck_version
from embcheck.conformance.records.writer import now
from embcheck.conformance.timing.runs import identity

CELLS = 12
"""How many trials are judged together, as the cells of a run are. The full profile has as many."""
OURS, MARGIN = (method.name for method in METHODS if method.ours)


def summarise(trials: Sequence[Mapping[str, Any]], effort: Effort) -> dict[str, Any]:
    """Count each method's verdicts by planted difference, and compare ours with the targets."""
    states = list(dict.fromkeys(trial["state"] for trial in trials))
    methods = [
        {
            "method": method.name,
            "ours": method.ours,
            "cells": [
                cell
                for state in states
                for cell in _cells([t for t in trials if t["state"] == state], method, state)
            ],
        }
        for method in METHODS
    ]
    return {
        "format": 1,
        "finished": now(),
        "embcheck": embcheck_version(),
        "machine": identity.describe_machine(),
        "settings": {
            "generations": effort.generations,
            "block_ms": effort.block_seconds * 1e3,
            "sequential_blocks": effort.sequential_blocks * effort.generations,
        },
        "trials": [_describe(state, trials) for state in states],
        "methods": methods,
        "targets": _targets(methods),
    }


def _cells(trials: Sequence[Mapping[str, Any]], method: Any, state: str) -> Iterable[dict]:
    said: dict[int, Counter[str]] = {}
    for begin in range(0, len(trials), CELLS):
        run = [trial["generations"] for trial in trials[begin : begin + CELLS]]
        for arm, base in PAIRS:
            said.setdefault(PLANTED[arm], Counter()).update(
                map(str, method.compare(run, arm, base))
            )
    for percent, counts in sorted(said.items()):
        yield {
            "state": state,
            "planted_percent": percent,
            "comparisons": counts.total(),
            "slower": counts["SLOWER"],
            "faster": counts["FASTER"],
            "same": counts["SAME"],
        }


def _describe(state: str, trials: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    mine = [trial for trial in trials if trial["state"] == state]
    rounds = [sum(len(one["rounds"]["a"]) for one in trial["generations"]) for trial in mine]
    flagged = [sum(one["flagged"] for one in trial["generations"]) for trial in mine]
    return {
        "state": state,
        "count": len(mine),
        "seconds": round(sum(trial["seconds"] for trial in mine), 1),
        "median_rounds": sorted(rounds)[len(rounds) // 2],
        "flagged_share": round(sum(flagged) / sum(rounds), 3),
    }


def _targets(methods: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    cells = {
        (method["method"], cell["state"], cell["planted_percent"]): cell
        for method in methods
        for cell in method["cells"]
    }

    def share(method: str, percent: int, *kinds: str, state: str = "") -> tuple[int, int]:
        mine = [
            cell
            for key, cell in cells.items()
            if key[0] == method and key[2] == percent and (not state or key[1] == state)
        ]
        return sum(cell[kind] for cell in mine for kind in kinds), sum(
            cell["comparisons"] for cell in mine
        )

    either = ("slower", "faster")
    wanted = [
        ("the same twice, called different by the interval", "<=", 0.05, share(OURS, 0, *either)),
        ("the same twice, called different by 3 %", "<=", 0.01, share(MARGIN, 0, *either)),
        ("10 % more, hot, found", ">=", 0.95, share(MARGIN, 10, "slower", state="hot")),
        ("10 % more, DRAM, found", ">=", 0.95, share(MARGIN, 10, "slower", state="dram")),
        ("5 % more, hot, found", ">=", 0.90, share(MARGIN, 5, "slower", state="hot")),
        ("5 % more, hot, interval above 1", ">=", 0.90, share(OURS, 5, "slower", state="hot")),
        ("5 % more, DRAM, called faster", "<=", 0.0, share(MARGIN, 5, "faster", state="dram")),
    ]
    return [
        {
            "what": what,
            "relation": relation,
            "wanted": limit,
            "count": count,
            "of": total,
            "met": None if not total else _met(count / total, relation, limit),
        }
        for what, relation, limit, (count, total) in wanted
    ]


def _met(share: float, relation: str, limit: float) -> bool:
    return share <= limit if relation == "<=" else share >= limit
