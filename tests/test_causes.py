"""Deviations with the same cause have the same category in every backend."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from embcheck import backends
from embcheck.conformance.execution.judging.causes import CATEGORIES, Cause
from embcheck.conformance.suite.case_names import globs
from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.conformance.suite.source import read_yaml

MEMORY = re.compile(r"\bmemory\b|foreign numbers|segmentation fault|SIGSEGV")
COMPOSED = re.compile(
    r"\b(has|have) no (bags|lookup|one_hot)|\bcompos|\bthe adapter|written here|knows bags as",
    re.IGNORECASE,
)
DIVISION = re.compile(r"\b(0|zero) (/|over|by) (0|zero)\b|nothing to average|a sum over a count")
SETTINGS = re.compile(r"stopped at its limit|takes from \d+ s")
ENDED = re.compile(r"divides? by (zero|a width of 0)|stopped at its limit")
"""Words for an ended process that do not mean access to foreign memory."""

LIBRARIES = re.compile(
    r"\b(cpu|cupy|eqx|equinox|fbgemm|flax|gather|jax|jnp|keras|lax|litert|mlx|mx|nn|nnx|np|numba|"
    r"numpy|onnx|openvino|ops|paddle|pytorch|scipy|take|tensorflow|tf|tinygrad|torch|torchrec|"
    r"triton|xla)\b"
)
ALIKE = 0.5
"""The least share of words that two reasons for the same departure have in common."""


@dataclass(frozen=True)
class Entry:
    """An entry of a deviations file, as it is written there."""

    place: str
    cases: tuple[str, ...]
    happens: str
    cause: Cause
    reason: str

    @property
    def words(self) -> frozenset[str]:
        """The words of the reason, without the names of libraries."""
        return frozenset(re.findall(r"-inf|[a-z]{2,}|\d+", LIBRARIES.sub("", self.reason.lower())))

    def is_of(self, name: str) -> bool:
        """Return whether the entry names cases of a family."""
        return globs([family(case) + "*" for case in self.cases]).fullmatch(name) is not None


def _entries() -> list[Entry]:
    folder = Path(backends.__file__).parent
    return [
        _entry(f"{path.stem}#{number}", entry)
        for path in sorted(folder.glob("*/deviations/*.yaml"))
        for number, entry in enumerate(read_yaml(path, path.name).get("deviations", ()))
    ]


def _entry(place: str, entry: Any) -> Entry:
    reason = " ".join(entry["reason"].split())
    return Entry(place, tuple(entry["cases"]), entry["happens"], Cause(entry["cause"]), reason)


ENTRIES = _entries()


def family(case: str) -> str:
    """Return a case's id without its matrix."""
    return case.partition("[")[0]


def contradictions(entries: list[Entry]) -> list[str]:
    """List pairs of entries on the same departure that give alike reasons but different causes."""
    words = {entry: entry.words for entry in entries}
    found = [
        (one, other)
        for one, other in combinations(entries, 2)
        if one.happens == other.happens
        and one.cause is not other.cause
        and len(words[one] & words[other]) >= ALIKE * len(words[one] | words[other])
    ]
    return [
        f"{one.place} ({one.cause}) and {other.place} ({other.cause}): {one.reason}"
        for one, other in found
        if any(one.is_of(name) and other.is_of(name) for name in _families())
    ]


@cache
def _families() -> frozenset[str]:
    """Return the ids of all cases, without their matrices."""
    return frozenset(family(case.id) for path in spec_files(()) for case in load_spec(path).cases)


def misjudged(entry: Entry) -> list[str]:
    """List the contradictions between the words of an entry's reason and its cause."""
    cause, reason = entry.cause, entry.reason
    says_settings = SETTINGS.search(reason) is not None
    rules = {
        "speaks of memory that is not its own": (MEMORY, Cause.MEMORY_UNSAFETY, False),
        "speaks of the harness' limits": (SETTINGS, Cause.ENVIRONMENT, False),
        "speaks of the composition": (COMPOSED, Cause.COMPOSITION, says_settings),
    }
    found = [
        f"{entry.place} {words if pattern.search(reason) else 'does not: it ' + words}: {reason}"
        for words, (pattern, stated, is_excepted) in rules.items()
        if not is_excepted and (pattern.search(reason) is not None) is not (cause is stated)
    ]
    if cause is Cause.DOCUMENTED and "document" not in reason:
        found.append(f"{entry.place} does not say what is documented: {reason}")
    if DIVISION.search(reason) and "has no bags" in reason and cause is not Cause.COMPOSITION:
        found.append(f"{entry.place} is a division that is written here: {reason}")
    if entry.happens == "crashed" and not (cause is Cause.MEMORY_UNSAFETY or ENDED.search(reason)):
        found.append(f"{entry.place} crashed, and does not say of what: {reason}")
    return found


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.place)
def test_a_reason_speaks_of_its_cause(entry):
    """A reason mentions memory, a composition or limits exactly if that is its cause."""
    assert not misjudged(entry)


def test_the_same_cause_is_named_alike_in_every_family():
    """Entries with alike reasons for the same departure name the same cause, in any library."""
    assert not contradictions(ENTRIES)


def test_a_reason_stands_for_one_cause():
    """Equal reasons, apart from names of libraries, never have different causes."""
    causes: dict[frozenset[str], set[Cause]] = {}
    for entry in ENTRIES:
        causes.setdefault(entry.words, set()).add(entry.cause)
    assert all(len(found) == 1 for found in causes.values())


def _made(cause: Cause, reason: str, happens: str = "wrong-value") -> Entry:
    return Entry("made#0", ("embedding_bag/empty_bags/*[mode=mean]",), happens, cause, reason)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (_made(Cause.DOCUMENTED, "X documents that it reads foreign memory."), "of memory"),
        (_made(Cause.UNDOCUMENTED, "It dies of a segmentation fault.", "crashed"), "of memory"),
        (_made(Cause.MEMORY_UNSAFETY, "It counts from the end."), "does not: it speaks of memory"),
        (_made(Cause.UNDOCUMENTED, "It ends the process.", "crashed"), "does not say of what"),
        (_made(Cause.DOCUMENTED, "X documents it and has no bags: 0 / 0 is NaN."), "a division"),
        (_made(Cause.COMPOSITION, "It divides 0 by 0."), "does not: it speaks of the composition"),
        (_made(Cause.UNDOCUMENTED, "The worker is stopped at its limit."), "harness' limits"),
        (_made(Cause.DOCUMENTED, "It counts from the end."), "what is documented"),
    ],
)
def test_a_reason_that_says_otherwise_is_found(entry, words):
    """Each rule finds an entry that breaks it."""
    assert any(words in found for found in misjudged(entry))


def test_a_division_that_two_libraries_are_charged_with_is_found():
    """The same division is found if one file calls it documented and another composed."""
    one = _made(
        Cause.DOCUMENTED, "JAX has no bags; a mean is a sum over a count, and 0 / 0 is NaN."
    )
    other = _made(
        Cause.COMPOSITION, "MLX has no bags; the mean is a sum over a count: 0 / 0 is NaN."
    )
    unlike = _made(Cause.UNDOCUMENTED, "The sum is rounded to half before it is divided.")
    places = [
        Entry(place, entry.cases, entry.happens, entry.cause, entry.reason)
        for place, entry in (("a#0", one), ("b#0", other), ("c#0", unlike))
    ]
    assert [told.split(":")[0] for told in contradictions(places)] == [
        "a#0 (documented) and b#0 (composition)"
    ]


def test_every_category_is_reached():
    """Each cause has at least one entry, so that no rule is untested."""
    assert {entry.cause for entry in ENTRIES} == set(CATEGORIES)
