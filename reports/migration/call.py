"""The answers and times of a user's own call on backends, as sentences and tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from embcheck.reports.migration.errors import Distance
from embcheck.reports.migration.own import OwnAnswer, OwnCall, OwnPrice
from embcheck.reports.migration.parts import FigureTable, VerdictSentence
from embcheck.reports.units import seconds_text
from embcheck.reports.untrusted import one_line

_ERRORS = ("largest", "rel. rms", "cosine", "ulp")
SAME_BITS = "equal"
ALMOST = 0.999999
READABLE = 1e4
"""Errors of at least this many units in the last place only say that an answer is wrong."""


def in_short(own: OwnCall, old: str, names: Sequence[str]) -> Iterator[VerdictSentence]:
    """Say for each backend whether the call can move there, and how long it takes."""
    for name in names:
        yield _verdict(own, name)
        recipe = (own.recipes or {}).get(name)
        if recipe:
            yield _of_recipe(own, name, recipe)
    # The others are compared with the old backend, so it must be said if that is wrong itself.
    if not all(one.is_right for one in own.answers if one.backend == old):
        yield _verdict(own, old)


def answers_grid(own: OwnCall) -> FigureTable:
    """Tabulate each backend's answer, and how far that is from the exact result."""
    rows = [(*_who(one), one.word, *_errors(one.error)) for one in own.answers]
    return FigureTable(
        ("backend", "table", "answer", *_ERRORS), tuple(rows), frozenset(range(3, 7))
    )


def apart_grid(own: OwnCall, old: str) -> FigureTable:
    """Tabulate how far the answers are from the old backend's."""
    rows = [
        (*_who(one), *_errors(one.apart))
        for one in own.answers
        if one.apart is not None and one.backend != old
    ]
    return FigureTable(("backend", "table", *_ERRORS), tuple(rows), frozenset(range(2, 6)))


def prices_grids(own: OwnCall) -> Iterator[FigureTable]:
    """Tabulate times and ratios; then the ratios of recipes to the backends that they replace."""
    columns = ("backend", "table", "one call", "ratio", "95 % interval", "verdict")
    rows = [
        (*_who(one), seconds_text(one.seconds), *_ratio(one), _decided(one)) for one in own.prices
    ]
    yield FigureTable(columns, tuple(rows), frozenset((2, 3, 4)))
    if own.beside:
        heads = ("recipe", "table", "beside", "ratio", "95 % interval")
        rows_beside = [(*_who(one), one_line(one.baseline, 24), *_ratio(one)) for one in own.beside]
        yield FigureTable(heads, tuple(rows_beside), frozenset((3, 4)))


def _verdict(own: OwnCall, name: str) -> VerdictSentence:
    answers = [one for one in own.answers if one.backend == name]
    if answers and all(one.is_missing for one in answers):
        said = one_line(answers[0].said)
        return VerdictSentence("unknown", f"{one_line(name, 60)} cannot be asked here: {said}.")
    tone = _tone(own, name)
    return VerdictSentence(tone, f"{one_line(name, 60)}: {_answers(own, name)}{_times(own, name)}.")


def _tone(own: OwnCall, name: str) -> str:
    """Return `good` for right answers, `unknown` if these are slower, else `bad`."""
    answers = [one for one in own.answers if one.backend == name]
    if not answers or not all(one.is_right for one in answers):
        return "bad"
    slower = any(one.backend == name and one.verdict == "SLOWER" for one in own.prices)
    return "unknown" if slower else "good"


def _of_recipe(own: OwnCall, name: str, recipe: str) -> VerdictSentence:
    # Only certain ratios: a recipe is one more option, and an uncertain ratio says nothing on it.
    faster = "".join(
        f"; {_time(one)}{_in_dtype(own, one)}"
        for one in own.beside
        if (one.backend, one.baseline) == (recipe, name)
        and one.ratio is not None
        and one.verdict in ("FASTER", "SLOWER")
    )
    printed = (own.printed or {}).get(recipe)
    how = f" To print it: embcheck recipe {printed}" if printed else ""
    said = f"{_answers(own, recipe)}{_times(own, recipe)}"
    return VerdictSentence(_tone(own, recipe), f"The recipe, {recipe}: {said}{faster}.{how}")


def _in_dtype(own: OwnCall, one: OwnPrice) -> str:
    return f" in {one.dtype}" if len(own.dtypes) > 1 else ""


def _answers(own: OwnCall, name: str) -> str:
    """Say what a backend answers, for tables of each dtype."""
    by_word: dict[str, list[str]] = {}
    for one in own.answers:
        if one.backend == name:
            by_word.setdefault(one.word, []).append(one.dtype)
    if not by_word:
        return "was not asked"
    if len(by_word) == 1:
        (word,) = by_word
        return word
    return ", ".join(f"{word} in {' and '.join(dtypes)}" for word, dtypes in by_word.items())


def _times(own: OwnCall, name: str) -> str:
    """Say how long calls take, compared with the baseline."""
    found = [
        one
        for one in own.prices
        if one.backend == name and one.ratio is not None and one.baseline != name
    ]
    return "".join(f"; {_time(one)}{_in_dtype(own, one)}" for one in found)


def _time(one: OwnPrice) -> str:
    base = one_line(one.baseline, 60)
    ratio, low, high = (value or math.nan for value in (one.ratio, one.low, one.high))
    between = f"{_digits(low)} to {_digits(high)}"
    if one.verdict == "SAME":
        return f"as fast as {base}"
    if one.verdict == "FASTER":
        # The ratio is inverted, so its bounds change places.
        between = f"{_digits(1 / high)} to {_digits(1 / low)}"
        return f"{_digits(1 / ratio)} times faster than {base} ({between})"
    if one.verdict == "SLOWER":
        return f"{_digits(ratio)} times slower than {base} ({between})"
    return f"takes {_digits(ratio)} times as long as {base} ({between}, not certain)"


def _who(one: OwnAnswer | OwnPrice) -> tuple[str, str]:
    return one_line(one.backend, 24), one.dtype


def _decided(one: OwnPrice) -> str:
    return "" if one.backend == one.baseline else one.verdict.lower()


def _ratio(one: OwnPrice) -> tuple[str, str]:
    if one.ratio is None or one.low is None or one.high is None:
        return "-", ""
    if one.backend == one.baseline:
        return "1", ""
    return _digits(one.ratio), f"{_digits(one.low)} to {_digits(one.high)}"


def _errors(found: Distance | None) -> tuple[str, ...]:
    if found is None:
        return ("", "", "", "")
    if found.not_finite:
        return (f"{found.not_finite:,} not finite", "", "", "")
    if found.is_none:
        return (SAME_BITS, "", "", "")
    return (
        f"{found.largest:.2g}",
        "-" if found.rms is None else f"{found.rms:.2g}",
        _cosine(found.cosine),
        "-" if found.ulp is None or found.ulp >= READABLE else f"{found.ulp:.2g}",
    )


def _cosine(value: float | None) -> str:
    """Return a cosine in six digits; a smaller value is never shown as 1."""
    if value is None:
        return "-"
    return f"{value:.6f}" if value == 1 or value < ALMOST else f">{ALMOST}"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
