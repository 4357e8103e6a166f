"""Compute which pairs of options the cases combine: every pair of values, by operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from embcheck.conformance.coverage.options import OPTIONS, values_of
from embcheck.conformance.coverage.rules import OptionPair, Rule, Rules, wanted_pairs
from embcheck.conformance.coverage.scored import Refused, ScoredCall
from embcheck.conformance.suite.model import CallSpec


@dataclass(frozen=True)
class OperationPairs:
    """The pairs of one operation: which are exercised, excused, missing or impossible."""

    operation: str
    impossible: int
    exercised: int
    left_out: Mapping[OptionPair, str]
    """Possible pairs that no case exercises, with the reason why they need none."""
    missing: tuple[OptionPair, ...]
    contradicted: tuple[OptionPair, ...]
    """Pairs that are listed as impossible although a case exercises them."""

    @property
    def wanted(self) -> int:
        """The number of pairs that need a case."""
        return self.exercised + len(self.missing)


@dataclass(frozen=True)
class PairTable:
    """The pairs of all operations, and the reasons that apply to no pair."""

    operations: tuple[OperationPairs, ...]
    idle_reasons: tuple[str, ...]

    @property
    def gaps(self) -> int:
        """The number of pairs without a case, contradictions and idle reasons."""
        return sum(len(one.missing) + len(one.contradicted) for one in self.operations) + len(
            self.idle_reasons
        )

    def as_json(self) -> dict[str, Any]:
        """Return the table's part of `coverage.json`."""
        return {
            "operations": [
                {
                    "operation": one.operation,
                    "impossible": one.impossible,
                    "wanted": one.wanted,
                    "exercised": one.exercised,
                    "missing": [_names(pair) for pair in one.missing],
                    "contradicted": [_names(pair) for pair in one.contradicted],
                    "left_out": [
                        {"pair": _names(pair), "reason": reason}
                        for pair, reason in one.left_out.items()
                    ],
                }
                for one in self.operations
            ],
            "idle_reasons": list(self.idle_reasons),
        }


def pair_table(asked: Iterable[ScoredCall], refused: Iterable[Refused], rules: Rules) -> PairTable:
    """Compare the pairs that the calls exercise with all possible pairs."""
    done = exercised_pairs(asked, refused)
    by_operation: dict[str, list[OptionPair]] = {str(operation): [] for operation in OPTIONS}
    for pair in wanted_pairs():
        by_operation[pair.operation].append(pair)
    # Filled while pairs are compared, since a rule that applies to no pair is a gap too.
    used: set[Rule] = set()
    return PairTable(
        tuple(_compared(name, pairs, done, rules, used) for name, pairs in by_operation.items()),
        tuple(rule.reason for rule in (*rules.impossible, *rules.left_out) if rule not in used),
    )


def exercised_pairs(asked: Iterable[ScoredCall], refused: Iterable[Refused]) -> set[OptionPair]:
    """Collect the pairs that calls exercise.

    A call that is refused because of its index exercises only the pairs of that index with another
    option: the other options have no visible effect in it.
    """
    found = {pair for one in asked for pair in _pairs(one.spec, values_of(one.spec))}
    for call in refused:
        pairs = _pairs(call.spec, values_of(call.spec, call.index))
        # The refusal says nothing about a pair of two other options.
        found |= {pair for pair in pairs if "index" in (pair.first[0], pair.second[0])}
    return found


def _pairs(spec: CallSpec, values: Mapping[str, str]) -> Iterable[OptionPair]:
    for one, other in combinations(values.items(), 2):
        yield OptionPair(str(spec.operation), one, other)


def _compared(
    operation: str,
    pairs: Sequence[OptionPair],
    done: set[OptionPair],
    rules: Rules,
    used: set[Rule],
) -> OperationPairs:
    impossible = {pair for pair in pairs if _reasons(rules.impossible, pair, used)}
    possible = [pair for pair in pairs if pair not in impossible]
    left_out: dict[OptionPair, str] = {}
    missing: list[OptionPair] = []
    for pair in possible:
        if pair not in done:
            reasons = _reasons(rules.left_out, pair, used)
            if reasons:
                left_out[pair] = reasons[0]
            else:
                missing.append(pair)
    return OperationPairs(
        operation,
        len(impossible),
        sum(pair in done for pair in possible),
        left_out,
        tuple(missing),
        # A case with such a pair shows that the rule is wrong.
        tuple(sorted(impossible & done)),
    )


def _reasons(rules: Iterable[Rule], pair: OptionPair, used: set[Rule]) -> list[str]:
    """Return the reasons that hold for a pair, and add their rules to `used`."""
    found = [rule for rule in rules if rule.covers(pair)]
    used.update(found)
    return [rule.reason for rule in found]


def _names(pair: OptionPair) -> list[str]:
    return [" ".join(pair.first), " ".join(pair.second)]
