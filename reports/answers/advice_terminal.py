"""Show advice in a terminal: a few lines for each backend, one block for those that are alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from embcheck.reports.answers.advice import Fit
from embcheck.reports.answers.answer import Answer, Row
from embcheck.reports.answers.concern import Remark
from embcheck.reports.answers.recipe_advice import Recipe
from embcheck.reports.answers.speeds import Speed
from embcheck.reports.units import nanoseconds_text
from embcheck.reports.untrusted import one_line

SHOWN = 4
"""How many names of features a line shows; the others are counted."""
_HEADS: Mapping[Fit, str] = {
    Fit.FITS: "These have all of it:",
    Fit.UNGUARDED: "These have all of it, but do not refuse all of these mistakes:",
    Fit.UNKNOWN: "Of these, a part was not asked:",
    Fit.BLOCKED: "These are ruled out:",
}
_FAILS: Mapping[str | None, str] = {
    "silently": "wrong without a sign",
    "dying": "dies or hangs",
    "loudly": "raises an error",
    None: "not offered",
}
_ANSWERS: Mapping[str | None, str] = {
    "silently": "not refused",
    "dying": "dies or hangs",
    "loudly": "refuses valid calls too",
    None: "not known to refuse",
}
_RECIPES: Mapping[Fit | None, str] = {
    Fit.FITS: "has all of it",
    Fit.UNGUARDED: "has all of it, but does not refuse all of the mistakes",
    Fit.UNKNOWN: "was not asked all of it",
    Fit.BLOCKED: "does not have all of it either",
    None: "whether it has all of it is not known",
}


def print_answer(told: Answer, console: Console) -> None:
    """Print which backends have what is needed, and what is in the way of the others."""
    needs = told.needs
    for remark in told.remarks:
        _print(console, remark, 0)
    indices = " and ".join(needs.indices)
    listed = ", ".join(needs.features)
    _print(console, f"Needed, for {needs.dtype} tables and {indices} indices: {listed}", 0)
    if needs.refused:
        _print(console, f"Should be errors: {', '.join(needs.refused)}", 0)
    days = told.first if told.first == told.last else f"{told.first} to {told.last}"
    devices = ", ".join(dict.fromkeys(row.device for row in told.rows if row.device))
    _print(console, f"By {told.source}, {days}, on {devices or 'no device'}.", 0)
    _print_speeds(told, console)
    for fit, head in _HEADS.items():
        rows = told.of(fit)
        if rows:
            console.print(Text(f"\n{head}", "bold"))
            _print_rows(rows, console)
    console.print("\nWhy: embcheck compat BACKEND FEATURE")


def _print_speeds(told: Answer, console: Console) -> None:
    speeds = told.speeds
    if speeds is not None:
        others = f"; --workload: {', '.join(speeds.others)}" if speeds.others else ""
        said = f"Ranked on {speeds.workload}, {speeds.circumstances}: times as a ratio to"
        _print(console, f"{said} {speeds.reference}, with 95 % intervals{others}", 0)
    elif len(told.of(Fit.FITS) + told.of(Fit.UNGUARDED)) > 1:
        words = "embcheck bench --table FILE --trace FILE --out DIR, then --run DIR"
        _print(console, f"Not ranked by speed. To time them: {words}", 0)


def _print_rows(rows: Sequence[Row], console: Console) -> None:
    """Print the backends; those of one library with the same lines share a block."""
    blocks: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        # A backend with a speed has a place of its own in the ranking, and so a block of its own.
        place = row.backend if row.speed else ""
        library = f"{row.library} {row.version}"
        blocks.setdefault((place, library, *_lines(row)), []).append(row)
    for (_, library, *lines), group in blocks.items():
        speed = group[0].speed
        names = ", ".join(row.backend for row in group)
        head = f"{names} ({library})" if library.strip() else names
        _print(console, f"{_speed(speed, rows)}{head}" if speed else head, 2)
        for line in lines:
            # A line that does not concern the needs is dimmed.
            _print(console, line, 4, "dim" if line.startswith(_BESIDE) else "")


def _speed(speed: Speed, rows: Sequence[Row]) -> str:
    """Say a backend's place, its ratio and interval, and nanoseconds for each lookup."""
    places = [row.speed.place for row in rows if row.speed]
    tie = "=" if places.count(speed.place) > 1 else "."
    time = f", {nanoseconds_text(speed.ns_per_lookup)} ns a lookup" if speed.ns_per_lookup else ""
    interval = f"{speed.low:.3g} to {speed.high:.3g}" if speed.verdict else "the reference"
    verdict = f", {speed.verdict}" if speed.verdict else ""
    return f"{speed.place}{tie} {speed.ratio:.3g} ({interval}{verdict}{time})  "


_BESIDE = "with other options"


def _lines(row: Row) -> tuple[str, ...]:
    advice = row.advice
    if advice.fit is Fit.BLOCKED:
        lines = _grouped(advice.blockers, _FAILS)
        lines += [f"for {r.feature} write {r.by}" for r in advice.blockers if r.by]
        return (*lines, _change(row), *_recipe(row.recipe))
    lines = _grouped(advice.unguarded, _ANSWERS)
    lines += [f"to refuse {r.feature} write {r.by}" for r in advice.unguarded if r.by][:1]
    if advice.unknown:
        lines.append(f"not asked: {_names(remark.feature for remark in advice.unknown)}")
    if advice.limits:
        lines.append(f"in part: {_names(map(_named, advice.limits))}")
    if advice.beside:
        lines.append(f"{_BESIDE} fails: {_names(advice.beside)}")
    return tuple(lines)


def _grouped(remarks: Iterable[Remark], words: Mapping[str | None, str]) -> list[str]:
    """Return one line for each way to fail, the worst first."""
    found: dict[str | None, list[str]] = {}
    for remark in remarks:
        found.setdefault(remark.found.how, []).append(_named(remark))
    return [f"{words[how]}: {_names(names)}" for how, names in found.items()]


def _named(remark: Remark) -> str:
    return f"{remark.feature} {remark.words}".rstrip()


def _change(row: Row) -> str:
    """Say what would unblock a backend."""
    said = [
        f"write {step.what} otherwise" if step.kind == "spell" else f"{step.what} {step.kind}"
        for step in row.change
        if step.kind != "give-up"
    ]
    gone = [step.what for step in row.change if step.kind == "give-up"]
    if gone:
        # The lines above name all blockers already.
        is_all = {*gone} == {remark.feature for remark in row.advice.blockers}
        said.append("doing without" if is_all else f"doing without {_names(gone)}")
    return f"unblocked by: {'; '.join(said)}" if said else "not unblocked by any small change"


def _recipe(recipe: Recipe | None) -> Iterable[str]:
    if recipe is not None:
        which = f"{recipe.backend} " if recipe.backend else ""
        yield f"recipe: embcheck recipe {recipe.name}; {which}{_RECIPES[recipe.fit]}"


def _names(names: Iterable[str]) -> str:
    listed = [*names]
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more


def _print(console: Console, said: str, indent: int, style: str = "") -> None:
    """Print a wrapped text; lines after the first are indented by two more."""
    text = one_line(said, 1000)
    lines = wrap(
        text,
        console.width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_on_hyphens=False,
    )
    for line in lines:
        # `wrap` has indented the lines; rich would wrap them again without the indent.
        console.print(Text(line, style), soft_wrap=True)
