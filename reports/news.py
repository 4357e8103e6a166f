"""What is new and worse in a run, compared with an accepted run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from embcheck.reports.diff import BackendPair, Difference, ResultChange, Side, State, What
from embcheck.reports.merge import behaviour_id
from embcheck.reports.units import plural
from embcheck.reports.untrusted import one_line

RIGHT = frozenset({"passed", "refused-earlier", "observed"})
UNEXPLAINED = frozenset({"failed", "crashed", "timed-out", "errored"})
"""Outcomes that no known deviation explains. Neither set has `deviated`, `stale`, `unsupported` and
`not-run`."""

_NEVER_ACCEPTED = State()
_NO_RECORD = "not in the accepted record"


@dataclass(frozen=True)
class News:
    """What got worse since the accepted run, and what cannot be compared with it.

    `worse` has each result with an unexplained departure that was not accepted, and each that is no
    longer right; `better` counts those that are right now and were not. The `lost` fields are what
    was accepted, but not run now; the `new` fields what was never accepted, or is judged
    differently since. `partial` says why the new run is partial.
    """

    worse: tuple[ResultChange, ...]
    better: int
    lost_backends: tuple[str, ...]
    lost_cases: int
    new_backends: tuple[str, ...]
    new_cases: int
    partial: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether something must be looked at, and then accepted or fixed."""
        return bool(self.worse or self.lost_backends or self.partial)


@dataclass(frozen=True)
class NewsGroup:
    """Results of a backend, of cases of one spec, that became worse in the same way."""

    backend: str
    spec: str
    before: str
    after: str
    changes: tuple[ResultChange, ...]


def groups(new: News) -> list[NewsGroup]:
    """Group what is worse: results with an accepted state first, then the largest groups."""
    found: dict[tuple[str, str, str, str], list[ResultChange]] = {}
    for change in new.worse:
        ways = (_word(change.before), _word(change.after))
        found.setdefault((change.pair.after, behaviour_id(change.case), *ways), []).append(change)
    made = [NewsGroup(*key, tuple(changes)) for key, changes in found.items()]
    return sorted(made, key=lambda group: (group.before == _NO_RECORD, -len(group.changes)))


def news(accepted: Side, now: Side, found: Difference) -> News:
    """Find what is new in the difference of two runs."""
    rejudged = {name.removeprefix("case ") for name in found.rejudged} & now.cases.keys()
    new = [BackendPair(name, name, "", now.libraries[name]) for name in found.new_backends]
    moves: list[ResultChange] = []
    for pair in (*found.pairs, *new):
        before = accepted.states.get(pair.before, {})
        for case, state in now.states[pair.after].items():
            # A case that is judged differently now is another question: no answer is accepted yet.
            old = _NEVER_ACCEPTED if case in rejudged else before.get(case, _NEVER_ACCEPTED)
            what = What.OUTCOME if old.outcome != state.outcome else What.KIND
            moves.append(ResultChange(what, case, pair, old, state))
    return News(
        tuple(move for move in moves if _is_worse(move.before, move.after)),
        sum(_is_better(move.before, move.after) for move in moves),
        found.gone_backends,
        len(found.gone_cases),
        found.new_backends,
        len(found.new_cases) + len(rejudged),
        now.partial,
    )


def _is_worse(before: State, after: State) -> bool:
    # A failure of the same kind was accepted.
    if after.outcome in UNEXPLAINED:
        return (before.outcome, before.kind) != (after.outcome, after.kind)
    return before.outcome in RIGHT and after.outcome not in RIGHT


def _is_better(before: State, after: State) -> bool:
    return after.outcome in RIGHT and before.outcome not in RIGHT and before is not _NEVER_ACCEPTED


def _word(state: State) -> str:
    """Name a state: its outcome, and its kind if it has one."""
    if state == _NEVER_ACCEPTED:
        return _NO_RECORD
    return f"{state.outcome}: {state.kind}" if state.kind else state.outcome


def heading(found: News) -> str:
    """Say in one line whether something is new."""
    if found.worse:
        return f"New, and not accepted: {plural(len(found.worse), 'result')}"
    if found:
        return "Not everything that was accepted was run"
    return "Nothing is worse than what was accepted"


def told(group: NewsGroup) -> str:
    """Return a group's backend, spec and size as text."""
    place = f"{one_line(group.backend, 60)}, {one_line(group.spec, 80)}"
    return f"{place}: {plural(len(group.changes), 'result')}"


def ways(group: NewsGroup) -> str:
    """Return what the results of a group were, and what they are now, as text."""
    return one_line(f"{group.before} -> {group.after}")


def missing(found: News) -> Iterator[str]:
    """Yield a line for each thing that should have been run and was not."""
    for why in found.partial:
        yield f"this run {one_line(why, 300)}"
    if found.lost_backends:
        yield f"accepted, and not run now: {_names(found.lost_backends)}"


def remarks(found: News) -> Iterator[str]:
    """Yield a line for each other thing that a reader should know."""
    if found.lost_cases:
        yield f"accepted, and not run now: {plural(found.lost_cases, 'case')}"
    if found.new_backends:
        yield f"not in the accepted record: {_names(found.new_backends)}"
    if found.new_cases:
        cases = plural(found.new_cases, "case")
        yield f"not in the accepted record, or judged otherwise since: {cases}"
    if found.better:
        yield f"right in this run, but not in the accepted one: {plural(found.better, 'result')}"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(one_line(name, 60) for name in names)
