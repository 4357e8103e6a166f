"""Which documented options the suite's cases exercise, by value and dtype."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from embcheck.conformance.contract.call import (
    GRADIENT_OBSERVATIONS,
    TRAINING_OBSERVATIONS,
    Observation,
    Operation,
)
from embcheck.conformance.suite.model import CallSpec, Case, Rejects
from embcheck.conformance.suite.problems import SpecError
from embcheck.conformance.suite.schema import problems_of
from embcheck.conformance.suite.source import read_yaml

EXERCISE_FILE = "exercise.yaml"
WEIGHT_DTYPES = ("float16", "bfloat16", "float32", "float64")
INDEX_ARRAYS = ("indices", "offsets")
INDEX_DTYPES = ("int32", "int64")
_FLAG = ("false", "true")
_LOOKUP: Mapping[str, tuple[str, ...]] = {
    "padding_idx": ("none", "non-negative", "negative"),
    "max_norm": ("none", "set"),
    "norm_type": ("1", "2", "inf", "other"),
    "scale_grad_by_freq": _FLAG,
    "sparse": _FLAG,
    "indices": INDEX_DTYPES,
}
_BAG: Mapping[str, tuple[str, ...]] = {
    **_LOOKUP,
    "mode": ("sum", "mean", "max"),
    "include_last_offset": _FLAG,
    "offsets": ("none", *INDEX_DTYPES),
    "per_sample_weights": ("none", "set"),
}
OPTIONS: Mapping[Operation, Mapping[str, tuple[str, ...]]] = {
    Operation.EMBEDDING: _LOOKUP,
    Operation.EMBEDDING_MODULE: _LOOKUP,
    Operation.EMBEDDING_FROM_PRETRAINED: {**_LOOKUP, "freeze": _FLAG},
    Operation.EMBEDDING_BAG: _BAG,
    Operation.EMBEDDING_BAG_MODULE: _BAG,
    Operation.EMBEDDING_BAG_FROM_PRETRAINED: {**_BAG, "freeze": _FLAG},
    Operation.ONE_HOT: {"num_classes": ("none", "-1", "set")},
}
"""The documented options of each operation, and their classes of values."""
_DEFAULTS: Mapping[str, Any] = {
    "freeze": True,
    "scale_grad_by_freq": False,
    "sparse": False,
    "include_last_offset": False,
    "mode": "mean",
    "norm_type": 2.0,
}
_ABOUT_GRADIENTS = {"scale_grad_by_freq", "sparse", "freeze"}
_GRADIENTS = GRADIENT_OBSERVATIONS | TRAINING_OBSERVATIONS | {Observation.TRAINABLE}


@dataclass(frozen=True, order=True)
class Combination:
    """A value of an option, in an operation on a weight of some dtype (of indices for one_hot)."""

    operation: str
    option: str
    value: str
    dtype: str


@dataclass(frozen=True)
class LeftOut:
    """Combinations that need no case, and why; a field that is empty matches anything."""

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


def load_left_out(path: Path) -> tuple[LeftOut, ...]:
    """Load the reasons why combinations are left out; raises SpecError."""
    tree = read_yaml(path)
    problems = problems_of(tree, str(path), "exercise")
    if problems:
        raise SpecError(problems)
    return tuple(
        LeftOut(
            entry["reason"],
            **{part.name: tuple(entry.get(part.name, ())) for part in fields(Combination)},
        )
        for entry in tree["left_out"]
    )


@dataclass(frozen=True)
class Exercise:
    """What the cases exercise, and what they do not."""

    total: int
    left_out: Mapping[Combination, str]
    """Combinations that no case exercises, with the reason why none is needed."""
    not_exercised: tuple[Combination, ...]
    """Combinations that no case exercises, without a reason."""
    idle_reasons: tuple[str, ...]
    """Reasons that apply to nothing, since cases exercise all of it."""


def exercise_of(cases: Iterable[Case], reasons: Sequence[LeftOut]) -> Exercise:
    """Compare what the cases exercise with all documented combinations."""
    done, every = exercised(cases), list(wanted())
    why = {
        combination: [entry for entry in reasons if entry.covers(combination)]
        for combination in every
        if combination not in done
    }
    used = {entry for entries in why.values() for entry in entries}
    return Exercise(
        total=len(every),
        left_out={one: entries[0].reason for one, entries in why.items() if entries},
        not_exercised=tuple(one for one, entries in why.items() if not entries),
        idle_reasons=tuple(entry.reason for entry in reasons if entry not in used),
    )


def wanted() -> Iterator[Combination]:
    """Yield every combination of a documented option's value and a dtype."""
    for operation, options in OPTIONS.items():
        dtypes = ("int64",) if operation is Operation.ONE_HOT else WEIGHT_DTYPES
        for option, values in options.items():
            for value in values:
                yield from (Combination(operation, option, value, dtype) for dtype in dtypes)


def exercised(cases: Iterable[Case]) -> set[Combination]:
    """Collect what the cases' calls exercise; a call that must be refused counts by its control.

    An option about gradients counts only if a gradient or a training step is observed, and a
    norm_type only beside a max_norm.
    """
    found = set[Combination]()
    for case in cases:
        call = case.expectation.control if isinstance(case.expectation, Rejects) else case.spec
        found |= {
            Combination(call.operation, option, value, _dtype(call))
            for option, value in _values(call)
        }
    return found


def _dtype(call: CallSpec) -> str:
    if call.operation is Operation.ONE_HOT:
        return _dtype_of(call, "indices")
    return str(call.options.get("dtype", _dtype_of(call, "weight", absent="float32")))


def _dtype_of(call: CallSpec, name: str, absent: str = "none") -> str:
    source = call.inputs.get(name)
    return str(source.describe().get("dtype", absent)) if source else absent


def _values(call: CallSpec) -> Iterator[tuple[str, str]]:
    gradients = not _GRADIENTS.isdisjoint(call.observe)
    for option in OPTIONS.get(call.operation, {}):
        unseen = option in _ABOUT_GRADIENTS and not gradients
        idle = option == "norm_type" and call.options.get("max_norm") is None
        if not unseen and not idle:
            yield option, _value(call, option)


def _value(call: CallSpec, option: str) -> str:
    value = call.options.get(option, _DEFAULTS.get(option))
    if option in INDEX_ARRAYS:
        return _dtype_of(call, option)
    if option == "per_sample_weights":
        return "set" if option in call.inputs else "none"
    if option in _CLASSES:
        return _CLASSES[option](value)
    return str(value).lower()


def _padding(value: object) -> str:
    if value is None:
        return "none"
    return "negative" if str(value).startswith("-") else "non-negative"


def _norm_type(value: Any) -> str:
    return f"{value:g}" if value in (1, 2, math.inf) else "other"


def _num_classes(value: object) -> str:
    return "-1" if value == -1 else _whether_set(value)


def _whether_set(value: object) -> str:
    return "none" if value is None else "set"


_CLASSES: Mapping[str, Callable[[Any], str]] = {
    "padding_idx": _padding,
    "norm_type": _norm_type,
    "num_classes": _num_classes,
    "max_norm": _whether_set,
}
