"""Load the pairs of options that are impossible or need no case, from `pairs.yaml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.coverage.options import OPTIONS
from embcheck.conformance.suite.load import shipped_clauses
from embcheck.conformance.suite.problems import Problem, SpecError
from embcheck.conformance.suite.schema import problems_of
from embcheck.conformance.suite.source import Map, mark_of, read_yaml

PAIRS_FILE = "pairs.yaml"


@dataclass(frozen=True, order=True)
class OptionPair:
    """Two options of an operation, each with a value."""

    operation: str
    first: tuple[str, str]
    second: tuple[str, str]

    def describe(self) -> str:
        """Name both options with their values."""
        return " x ".join(f"{option} {value}" for option, value in (self.first, self.second))


@dataclass(frozen=True)
class Rule:
    """A reason, and the pairs to which it applies: those with the stated values of its options."""

    reason: str
    operation: tuple[str, ...]
    """The operations; any if empty."""
    values: tuple[tuple[str, frozenset[str]], ...]
    """Options that the pair must have, each with the values that it may have; any if empty."""
    without: frozenset[str] = frozenset()
    """Options that the pair must not have."""

    def covers(self, pair: OptionPair) -> bool:
        """Whether the reason holds for a pair."""
        has = dict((pair.first, pair.second))
        return (
            (not self.operation or pair.operation in self.operation)
            and self.without.isdisjoint(has)
            # A rule about one option holds for its pairs with every other option.
            and all(
                option in has and (not values or has[option] in values)
                for option, values in self.values
            )
        )


@dataclass(frozen=True)
class Rules:
    """Pairs that are impossible, and pairs that need no case."""

    impossible: tuple[Rule, ...] = ()
    left_out: tuple[Rule, ...] = ()


def wanted_pairs() -> Iterator[OptionPair]:
    """Yield every pair of values of two options, whether it is possible or not."""
    for operation, options in OPTIONS.items():
        for one, other in combinations(options, 2):
            for value in options[one]:
                yield from (OptionPair(operation, (one, value), (other, x)) for x in options[other])


def load_rules(path: Path) -> Rules:
    """Load the rules of a file. Raise SpecError."""
    tree = read_yaml(path)
    problems = problems_of(tree, str(path), "pairs") or list(_mistakes(tree, path))
    if problems:
        raise SpecError(problems)
    return Rules(tuple(map(_rule, tree["impossible"])), tuple(map(_rule, tree["left_out"])))


def _rule(entry: Map) -> Rule:
    values = ((option, frozenset(names)) for option, names in entry.get("values", {}).items())
    clause = f" ({entry['clause']})" if "clause" in entry else ""
    return Rule(
        entry["reason"] + clause,
        tuple(entry.get("operation", ())),
        tuple(values),
        frozenset(entry.get("without", ())),
    )


def _mistakes(tree: Map, path: Path) -> Iterator[Problem]:
    for group in ("impossible", "left_out"):
        for position, entry in enumerate(tree[group]):
            for what, remedy, *place in _complaints(entry):
                mark = mark_of(tree, [group, position, *place])
                yield Problem(str(path), *mark, what, remedy)


def _complaints(entry: Map) -> Iterator[tuple[str, ...]]:
    clause = entry.get("clause")
    if clause is not None and clause not in shipped_clauses():
        yield f"there is no clause '{clause}'", "name one of specs/clauses", "clause"
    # A rule without operations may name the options of any operation.
    known = _known(entry.get("operation", list(OPTIONS)))
    for option, values in entry.get("values", {}).items():
        if option not in known:
            yield f"there is no option '{option}'", f"use one of {', '.join(known)}", "values"
            continue
        for value in values:
            if value not in known[option]:
                remedy = f"use one of {', '.join(known[option])}"
                yield f"{option} has no value '{value}'", remedy, "values", option


def _known(operations: list[str]) -> Mapping[str, tuple[str, ...]]:
    return {
        option: values for name in operations for option, values in OPTIONS[Operation(name)].items()
    }
