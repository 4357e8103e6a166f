"""Load the sizes that cases must reach, and the exceptions: `specs/documentation/sizes.yaml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from embcheck.conformance.coverage.looks import LOOKS
from embcheck.conformance.coverage.sizes import SizeAxis
from embcheck.conformance.suite.problems import Problem, SpecError
from embcheck.conformance.suite.schema import problems_of
from embcheck.conformance.suite.source import Map, mark_of, read_yaml

SIZES_FILE = "sizes.yaml"


@dataclass(frozen=True)
class Excuse:
    """Sizes that need no case, and the reason; an empty field matches anything."""

    reason: str
    look: tuple[str, ...] = ()
    axis: tuple[str, ...] = ()
    dtype: tuple[str, ...] = ()
    at_least: int = 0

    def covers(self, look: str, axis: str, size: int, dtype: str | None = None) -> bool:
        """Whether the reason excuses a size.

        `dtype` is given for an extent, and None for a threshold.
        """
        return (
            (not self.look or look in self.look)
            and (not self.axis or axis in self.axis)
            # A reason with dtypes is only about extents, which are counted by dtype; a reason
            # without dtypes is only about thresholds, which are counted over all dtypes.
            and (dtype in self.dtype if self.dtype else dtype is None)
            and size >= self.at_least
        )


@dataclass(frozen=True)
class Ladder:
    """The thresholds, the size that every dtype must reach on each axis, and the exceptions."""

    thresholds: tuple[int, ...]
    least: Mapping[SizeAxis, int]
    left_out: tuple[Excuse, ...] = ()


def load_ladder(path: Path) -> Ladder:
    """Load the thresholds and the exceptions. Raise SpecError."""
    tree = read_yaml(path)
    # The further checks rely on the schema.
    problems = problems_of(tree, str(path), "sizes") or list(_mistakes(tree, path))
    if problems:
        raise SpecError(problems)
    return Ladder(
        tuple(size for group in tree["thresholds"] for size in group["sizes"]),
        {SizeAxis(name): size for name, size in tree["least"]["sizes"].items()},
        tuple(_excuse(entry) for entry in tree["left_out"]),
    )


def _excuse(entry: Map) -> Excuse:
    names = {name: tuple(entry.get(name, ())) for name in ("look", "axis", "dtype")}
    return Excuse(entry["reason"], at_least=entry.get("at_least", 0), **names)


def _mistakes(tree: Map, path: Path) -> Iterator[Problem]:
    sizes = [size for group in tree["thresholds"] for size in group["sizes"]]
    if sizes != sorted(set(sizes)):
        mark = mark_of(tree, ["thresholds"])
        yield Problem(str(path), *mark, "the thresholds do not grow", "sort them, each one once")
    known = {look.name for look in LOOKS}
    for position, entry in enumerate(tree["left_out"]):
        for place, name in enumerate(entry.get("look", ())):
            if name not in known:
                mark = mark_of(tree, ["left_out", position, "look", place])
                remedy = f"use one of {', '.join(sorted(known))}"
                yield Problem(str(path), *mark, f"there is no look '{name}'", remedy)
