"""The whole answer of `embcheck advise` as dataclasses; their fields are the keys of its JSON."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from embcheck.reports.answers.advice import Advice, Fit, advise
from embcheck.reports.answers.concern import Needs
from embcheck.reports.answers.least_change import Changes, NeedChange
from embcheck.reports.answers.recipe_advice import Recipe, recipe_for
from embcheck.reports.answers.recipes import recipes
from embcheck.reports.answers.speeds import Speed, Speeds
from embcheck.reports.compat import Compat


@dataclass(frozen=True)
class Row:
    """A backend, with the version, date and device of its run, and what it means for the needs.

    `speed` is None if it was not timed. `change` has the fewest steps that unblock it; it is empty
    if the backend is not blocked, or if no need would be left. `recipe` is code for its library
    that may have what it lacks.
    """

    backend: str
    library: str
    version: str
    date: str
    device: str
    advice: Advice
    speed: Speed | None = None
    change: tuple[NeedChange, ...] = ()
    recipe: Recipe | None = None


@dataclass(frozen=True)
class Answer:
    """The needs, where the data comes from, and a row for each backend, the best first.

    `source` says where the data comes from; `first` and `last` are the days of its runs, ISO 8601.
    `remarks` say what was found in a user's own module and indices.
    """

    needs: Needs
    source: str
    first: str
    last: str
    rows: tuple[Row, ...]
    speeds: Speeds | None = None
    remarks: tuple[str, ...] = ()

    def of(self, fit: Fit) -> list[Row]:
        """Return the rows of a fit."""
        return [row for row in self.rows if row.advice.fit is fit]

    def plain(self) -> dict[str, Any]:
        """Return the answer as plain data for JSON, by the names of its fields."""
        return asdict(self)


def answer(
    data: Compat,
    needs: Needs,
    chosen: Collection[str],
    source: str,
    speeds: Speeds | None = None,
    remarks: Sequence[str] = (),
) -> Answer:
    """Return what the chosen backends mean for a user's needs, by fit, then the fastest first."""
    # Advice on all backends, not only on the chosen ones: their recipes are backends too.
    every = advise(data, needs)
    changes, names = Changes(data, needs), tuple(recipes())
    rows = []
    for advice in every:
        if advice.backend not in chosen:
            continue
        column = data.column(advice.backend)
        is_blocked = advice.fit is Fit.BLOCKED
        rows.append(
            Row(
                advice.backend,
                column.library,
                column.version,
                column.date,
                column.device,
                advice,
                speeds.of(advice.backend) if speeds else None,
                changes.least(advice) if is_blocked else (),
                recipe_for(advice.backend, data, every, names) if is_blocked else None,
            )
        )
    # `advise` sorted them by more than the fit; the sort is stable, and keeps that order.
    rows.sort(key=_order)
    dates = sorted(row.date for row in rows if row.date)
    first, last = (dates[0], dates[-1]) if dates else ("", "")
    return Answer(needs, source, first, last, tuple(rows), speeds, tuple(remarks))


def _order(row: Row) -> tuple[int, float]:
    """Sort by fit, then by speed; backends without timings come last and keep their order."""
    return [*Fit].index(row.advice.fit), row.speed.ratio if row.speed else float("inf")
