"""Find out which values of the documented options the suite's cases exercise, by dtype."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from embcheck.conformance.contract.call import (
    GRADIENT_OBSERVATIONS,
    TRAINING_OBSERVATIONS,
    Observation,
    Operation,
)
from embcheck.conformance.contract.operation import WITH_TABLE
from embcheck.conformance.contract.options import kinds_in, kinds_of
from embcheck.conformance.coverage.scored import INDEX_DTYPES, WEIGHT_DTYPES
from embcheck.conformance.suite.model import CallSpec, Case, Rejects
from embcheck.conformance.suite.problems import SpecError
from embcheck.conformance.suite.schema import problems_of
from embcheck.conformance.suite.source import read_yaml

EXERCISE_FILE = "exercise.yaml"
INDEX_ARRAYS = ("indices", "offsets")
_ARRAYS: Mapping[str, tuple[str, ...]] = {
    "indices": INDEX_DTYPES,
    "offsets": ("none", *INDEX_DTYPES),
    "per_sample_weights": ("none", "set"),
}
"""The inputs besides the weight that are counted like options, with their values."""
_GRADIENTS = GRADIENT_OBSERVATIONS | TRAINING_OBSERVATIONS | {Observation.TRAINABLE}


@dataclass(frozen=True, order=True)
class Combination:
    """A value of an option, in an operation, with the dtype of the weight (one_hot: of indices)."""

    operation: str
    option: str
    value: str
    dtype: str


@dataclass(frozen=True)
class ExemptCombinations:
    """Combinations that need no case, and the reason; an empty field matches anything."""

    reason: str
    operation: tuple[str, ...] = ()
    option: tuple[str, ...] = ()
    value: tuple[str, ...] = ()
    dtype: tuple[str, ...] = ()

    def covers(self, combination: Combination) -> bool:
        """Whether the reason holds for a combination."""
        parts = asdict(combination)
        return all(
            not getattr(self, name) or part in getattr(self, name) for name, part in parts.items()
        )


def load_left_out(path: Path) -> tuple[ExemptCombinations, ...]:
    """Load the reasons why combinations are left out. Raise SpecError."""
    tree = read_yaml(path)
    problems = problems_of(tree, str(path), "exercise")
    if problems:
        raise SpecError(problems)
    return tuple(
        ExemptCombinations(
            entry["reason"],
            **{part.name: tuple(entry.get(part.name, ())) for part in fields(Combination)},
        )
        for entry in tree["left_out"]
    )


@dataclass(frozen=True)
class Exercise:
    """The combinations that cases exercise, and those that they do not."""

    total: int
    left_out: Mapping[Combination, str]
    """Combinations that no case exercises, with the reason why none is needed."""
    not_exercised: tuple[Combination, ...]
    """Combinations that no case exercises although no reason excuses them."""
    idle_reasons: tuple[str, ...]
    """Reasons without use, since cases exercise all combinations to which they apply."""


def exercise_of(cases: Iterable[Case], reasons: Sequence[ExemptCombinations]) -> Exercise:
    """Compare what the cases exercise with all documented combinations."""
    done, every = exercised(cases), list(wanted())
    why = {
        combination: [entry for entry in reasons if entry.covers(combination)]
        for combination in every
        if combination not in done
    }
    # All reasons for a combination count as used, although only the first is reported.
    used = {entry for entries in why.values() for entry in entries}
    return Exercise(
        total=len(every),
        left_out={one: entries[0].reason for one, entries in why.items() if entries},
        not_exercised=tuple(one for one, entries in why.items() if not entries),
        idle_reasons=tuple(entry.reason for entry in reasons if entry not in used),
    )


def wanted() -> Iterator[Combination]:
    """Yield every combination of an operation, a value of a documented option, and a dtype."""
    for operation in (*WITH_TABLE, Operation.ONE_HOT):
        dtypes = ("int64",) if operation is Operation.ONE_HOT else WEIGHT_DTYPES
        for option, values in _kinds(operation).items():
            for value in values:
                yield from (Combination(operation, option, value, dtype) for dtype in dtypes)


def exercised(cases: Iterable[Case]) -> set[Combination]:
    """Collect the combinations that the cases' calls exercise.

    An option about gradients counts only if a gradient or a training step is observed, `norm_type`
    only if `max_norm` is set.
    """
    found: set[Combination] = set()
    for case in cases:
        # A call that must be refused does not show what its options do, but its control does.
        call = case.expectation.control if isinstance(case.expectation, Rejects) else case.spec
        found |= {
            Combination(call.operation, option, value, _dtype(call))
            for option, value in _values(call)
        }
    return found


def _dtype(call: CallSpec) -> str:
    if call.operation is Operation.ONE_HOT:
        return _dtype_of(call, "indices")
    # A fresh module makes its own table, in the dtype of the option `dtype`.
    if call.operation.is_fresh:
        return str(call.option("dtype"))
    return _dtype_of(call, "weight", absent="float32")


def _dtype_of(call: CallSpec, name: str, absent: str = "none") -> str:
    source = call.inputs.get(name)
    return str(source.describe().get("dtype", absent)) if source else absent


def _kinds(operation: Operation) -> Mapping[str, tuple[str, ...]]:
    """Return the options and inputs of an operation, with the values that are distinguished."""
    if operation is Operation.ONE_HOT:
        return kinds_of(operation)
    arrays = _ARRAYS if operation.is_bag else {"indices": INDEX_DTYPES}
    return {**kinds_of(operation), **arrays}


def _values(call: CallSpec) -> Iterator[tuple[str, str]]:
    gradients = not _GRADIENTS.isdisjoint(call.observe)
    yield from kinds_in(call.operation, call.options, with_gradients=gradients)
    if call.operation in WITH_TABLE:
        yield from ((name, _array(call, name)) for name in _ARRAYS)


def _array(call: CallSpec, name: str) -> str:
    if name in INDEX_ARRAYS:
        return _dtype_of(call, name)
    return "set" if name in call.inputs else "none"
