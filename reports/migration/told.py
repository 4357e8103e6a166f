"""Make the report on a migration, once for the terminal, for Markdown and for HTML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from embcheck.reports.answers.compat_terminal import says
from embcheck.reports.compat import AS_DOCUMENTED, Compat
from embcheck.reports.migration.call import answers_grid, apart_grid, in_short, prices_grids
from embcheck.reports.migration.differences import LostFeatures, Migration, migration
from embcheck.reports.migration.own import OwnAnswer, OwnCall, OwnPrice
from embcheck.reports.migration.parts import Item, Part, Section, Told, VerdictSentence
from embcheck.reports.units import plural
from embcheck.reports.untrusted import one_line

HEADS: Mapping[str | None, str] = {
    "silently": "Goes wrong without a sign",
    "dying": "Ends the process, or hangs",
    "loudly": "Raises an error",
    None: "Is not offered",
}
GUARDED = "What a mistake in such a call does"
MET = "What this call meets"


@dataclass(frozen=True)
class MigrationTarget:
    """A backend to move to, and what changes; without data, `changes` is None and `why` says so."""

    name: str
    changes: Migration | None
    why: str = ""


def told(data: Compat, old: str, targets: Sequence[MigrationTarget], own: OwnCall | None) -> Told:
    """Return the report, the most important first."""
    several = len(targets) > 1
    title = f"{old} -> {', '.join(target.name for target in targets)}"
    if own is None and not several and targets[0].changes is not None:
        title = f"{_named(data, old)} -> {_named(data, targets[0].name)}"
    sections = list(_own_sections(own, old)) if own else []
    for target in targets:
        sections += _sections(data, old, target, own, named=several)
    if own is None:
        verdicts = tuple(_counted(data, target, named=several) for target in targets)
    else:
        verdicts = tuple(in_short(own, old, [target.name for target in targets]))
    lead = (one_line(own.says, 300),) if own else ()
    return Told(one_line(title), lead, verdicts, tuple(sections))


def _own_sections(own: OwnCall, old: str) -> Iterator[Section]:
    yield Section("What they answer, and how far it is from the exact result", (), (
        answers_grid(own),
    ), tuple(_notes([one for one in own.answers if not one.is_missing])))  # fmt: skip
    apart = apart_grid(own, old)
    if apart.rows:
        yield Section(f"How far they are from {one_line(old, 40)}", (), (apart,))
    if own.prices:
        # A wrong answer is not timed, and the table of answers says already that it is wrong.
        unsaid = [one for one in own.prices if not _is_told(own, one)]
        notes = (*own.notes, *_notes(unsaid))
        yield Section("What it takes here", (), tuple(prices_grids(own)), notes)


def _is_told(own: OwnCall, price: OwnPrice) -> bool:
    """Whether a price needs no note: it is the baseline's, or a wrong answer explains its lack."""
    answer = own.answer(price.backend, price.dtype)
    is_right = answer is not None and answer.is_right
    return price.backend == price.baseline or (price.ratio is None and not is_right)


def _notes(told: Sequence[OwnAnswer] | Sequence[OwnPrice]) -> Iterator[str]:
    """Yield each message once, with the backends and dtypes that it is about."""
    names: dict[str, list[str]] = {}
    for one in told:
        if one.said:
            names.setdefault(one.said, []).append(f"{one_line(one.backend, 60)} {one.dtype}")
    for said, of in names.items():
        yield f"{', '.join(of)}: {one_line(said, 300)}"


def _sections(
    data: Compat, old: str, target: MigrationTarget, own: OwnCall | None, *, named: bool
) -> list[Section]:
    """Return the sections on one new backend; with a user's call, what it meets comes first."""
    if target.changes is None:
        return [Section(f"{one_line(target.name, 60)}: {target.why}")]
    lead = f"{target.name}: " if named else ""
    show = _Shower(data, old, target.name)
    if own is None:
        # What is lost comes sorted by how it fails, so each head comes once, the worst first.
        heads = dict.fromkeys(change.how for change in target.changes.lost)
        sections = [
            Section(
                _joined(lead, HEADS[how]),
                tuple(show.item(change) for change in target.changes.lost if change.how == how),
            )
            for how in heads
        ]
        return sections + _rest(lead, target.changes)
    # Compared again, for tables of the call's dtypes: `target.changes` is for all dtypes.
    lost = migration(data, old, target.name, own.dtypes).lost
    met, guarded = (_only(lost, names, own.dtypes) for names in (own.features, own.guards))
    sections = [
        Section(_joined(lead, head), tuple(show.item(each, ": not offered") for each in changes))
        for head, changes in ((MET, met), (GUARDED, guarded))
        if changes
    ]
    others = _without(target.changes.lost, [*met, *guarded])
    if others:
        command = f"embcheck migrate {one_line(old, 60)} {one_line(target.name, 60)}"
        parts = (Part("command", command),)
        heads_ = tuple(f"{HEADS[how]}: {plural(count, 'feature')}" for how, count in others.items())
        sections.append(Section(_joined(lead, "What other calls meet"), (Item(heads_, parts),)))
    return sections


def _only(
    changes: Iterable[LostFeatures], names: Sequence[str], dtypes: Sequence[str]
) -> list[LostFeatures]:  # fmt: skip
    """Keep the features of these names that are not supported for tables of some dtype."""
    kept = []
    for change in changes:
        features = {
            name: found
            for name, found in change.features.items()
            if name in names and any(found.for_tables(d).support != "yes" for d in dtypes)
        }
        if features:
            kept.append(replace(change, features=features))
    return kept


def _without(
    changes: Iterable[LostFeatures], shown: Iterable[LostFeatures]
) -> dict[str | None, int]:
    """Count the features that are not shown, by how they fail."""
    gone = {name for change in shown for name in change.features}
    counts: dict[str | None, int] = {}
    for change in changes:
        left = len(set(change.features) - gone)
        if left:
            counts[change.how] = counts.get(change.how, 0) + left
    return counts


def _rest(lead: str, changes: Migration) -> list[Section]:
    named = (("Better", changes.gained), ("Not known of one", changes.unknown))
    return [
        Section(_joined(lead, head), (Item((", ".join(names),)),)) for head, names in named if names
    ]


def _counted(data: Compat, target: MigrationTarget, *, named: bool) -> VerdictSentence:
    if target.changes is None:
        return VerdictSentence("unknown", f"{one_line(target.name, 60)}: {target.why}")
    count = sum(len(change.features) for change in target.changes.lost)
    total = count + len(target.changes.gained) + len(target.changes.same)
    said = f"{count:,} of {plural(total, 'feature')} are worse, {len(target.changes.gained)} better"
    lead = f"{_named(data, target.name)}: " if named else ""
    return VerdictSentence("bad" if count else "good", f"{lead}{said}")


class _Shower:
    """The maker of report items on the changes from one backend to another."""

    def __init__(self, data: Compat, old: str, new: str) -> None:
        self._data, self._old, self._new = data, old, new

    def item(self, change: LostFeatures, absent_as: str = "") -> Item:
        """Name the features of a change; show an example, the reason and what to write instead.

        `absent_as` is appended to features that are not offered, if no heading says so.
        """
        absent = [name for name, found in change.features.items() if found.support == "absent"]
        heads = [", ".join(absent) + absent_as] if absent else []
        heads += [
            f"{name}: {one_line(says(found))}"
            for name, found in change.features.items()
            if found.support != "absent"
        ]
        parts = [Part("text", one_line(change.reason, 600))] if change.reason else []
        parts += [Part("link", one_line(change.link))] if change.link else []
        parts += self._example(change)
        parts += [Part("instead", one_line(change.instead))] if change.instead else []
        if change.example:
            words = f"'{one_line(change.example)}' -b {one_line(self._new)}"
            parts.append(Part("command", f"embcheck reproduce {words}"))
        return Item(tuple(heads), tuple(parts))

    def _example(self, change: LostFeatures) -> Iterator[Part]:
        case = self._data.cases.get(change.example)
        if case is None:
            return
        yield Part("call", one_line(case.call, 300))
        before = self._before(change)
        old, is_right = one_line(self._old, 60), before == AS_DOCUMENTED
        if case.wanted != AS_DOCUMENTED:
            agreed = f", and {old}" if is_right else ""
            yield Part("answer", f"documented{agreed}: {one_line(case.wanted)}")
        # If the old backend is right and the documented answer is shown, that line names it.
        if before and not (is_right and case.wanted != AS_DOCUMENTED):
            yield Part("answer", f"{old}: {one_line(before)}")
        after = case.answers.get(self._new)
        if after:
            yield Part("answer", f"{one_line(self._new, 60)}: {one_line(after)}")

    def _before(self, change: LostFeatures) -> str:
        """Return the old backend's answer to the example; the data leaves right answers out."""
        known = self._data.cases[change.example].answers.get(self._old)
        if known:
            return known
        features = self._data.column(self._old).features
        shown = [name for name, found in change.features.items() if found.example == change.example]
        is_right = any(features[name].support == "yes" for name in shown if name in features)
        return AS_DOCUMENTED if is_right else ""


def _named(data: Compat, name: str) -> str:
    column = data.column(name)
    return one_line(f"{column.id} ({column.library} {column.version}, {column.date})", 60)


def _joined(lead: str, head: str) -> str:
    return f"{one_line(lead, 60)} {head[0].lower()}{head[1:]}" if lead else head
