"""Draw the random sample of results: as many that passed as that departed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from embcheck.conformance.records.lines import ResultLine

GROUPS = {
    "departed": frozenset({"failed", "crashed", "timed-out", "deviated", "stale"}),
    "passed": frozenset({"passed", "refused-earlier"}),
    "unsupported": frozenset({"unsupported"}),
}
"""Outcomes by group; results with other outcomes claim nothing, and are not audited."""


def group_of(result: ResultLine) -> str | None:
    """Return the group of a result; None if it is not audited."""
    if result.level == "implementation-defined":
        return None
    return next((name for name, outcomes in GROUPS.items() if result.outcome in outcomes), None)


def draw(results: Iterable[ResultLine], number: int, seed: int) -> list[ResultLine]:
    """Draw `number` results, in turn from each group and, within it, from each backend.

    The same seed gives the same sample of the same results, whatever their order.
    """
    chance = random.Random(seed)  # noqa: S311  (nothing here is secret)
    piles: dict[str, dict[str, list[ResultLine]]] = {group: {} for group in GROUPS}
    # Sorted, since a parallel run writes its results in any order.
    for result in sorted(results, key=lambda found: (found.backend, found.case)):
        group = group_of(result)
        if group is not None:
            piles[group].setdefault(result.backend, []).append(result)
    for backends in piles.values():
        for pile in backends.values():
            chance.shuffle(pile)
    # In turn, or a backend with many departures would fill the sample.
    queues = [_by_turns(list(backends.values())) for backends in piles.values()]
    return _by_turns(queues)[:number]


def _by_turns(piles: Sequence[list[ResultLine]]) -> list[ResultLine]:
    """Take the first of each pile, then the second of each that has one, and so on."""
    longest = max(map(len, piles), default=0)
    return [pile[turn] for turn in range(longest) for pile in piles if turn < len(pile)]
