"""Compute both tables of coverage, of sizes and of pairs of options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embcheck.conformance.coverage.ladder import SIZES_FILE, Ladder, load_ladder
from embcheck.conformance.coverage.pair_table import PairTable, pair_table
from embcheck.conformance.coverage.rules import PAIRS_FILE, Rules, load_rules
from embcheck.conformance.coverage.scored import asked, refused
from embcheck.conformance.coverage.size_table import SizeTable, size_table
from embcheck.conformance.suite.load import load_spec, spec_files, suite_root
from embcheck.conformance.suite.model import Case


@dataclass(frozen=True)
class Reach:
    """The sizes of the scored calls, and the options that they combine."""

    sizes: SizeTable
    pairs: PairTable

    @property
    def gaps(self) -> int:
        """The number of gaps in both tables."""
        return self.sizes.gaps + self.pairs.gaps

    def as_json(self) -> dict[str, Any]:
        """Return both tables' part of `coverage.json`."""
        return {"sizes": self.sizes.as_json(), "pairs": self.pairs.as_json()}


def shipped_reach() -> Reach:
    """Compute both tables of the shipped suite. Raise SpecError."""
    folder = suite_root() / "documentation"
    return reach_of(
        [case for file in spec_files() for case in load_spec(file).cases],
        load_ladder(folder / SIZES_FILE),
        load_rules(folder / PAIRS_FILE),
    )


def reach_of(cases: Sequence[Case], ladder: Ladder, rules: Rules) -> Reach:
    """Compute both tables of some cases."""
    calls = list(asked(cases))
    return Reach(size_table(calls, ladder), pair_table(calls, refused(cases), rules))
