"""Hypothesis strategies for calls: every operation but `probe`, every documented option.

The simplest call is a lookup of one row of a 1 x 1 table without options, and failing calls shrink
towards it. Calls are valid, unless `only_valid` is False: then about every second one has a
mistake, such as a bad index, a wrong dtype or rank, or options that exclude each other. Options
keep to values with a documented meaning (a positive `norm_type` and `max_norm`, no `max_norm` over
rows with NaN or without columns). Observations keep to those that can be compared (no gradient of a
maximum over rows that `max_norm` made equally long up to rounding; adaptive optimisers only in
single and double precision, where their epsilon is not zero; no entries of sparse gradients without
columns, whose number is left open).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from embcheck.conformance.contract.call import (
    SPARSE_OBSERVATIONS,
    TRAINING_OBSERVATIONS,
    Call,
    Observation,
    Operation,
)
from embcheck.conformance.contract.operation import WITH_TABLE
from embcheck.conformance.contract.options import OPTIONS, options_of, read_option
from embcheck.conformance.fuzzing.elements import (
    INDEX_DTYPES,
    WEIGHT_DTYPES,
    Drawn,
    Elements,
    Seeded,
)
from embcheck.conformance.fuzzing.invalid import spoiled
from embcheck.conformance.fuzzing.layouts import laid_out, layouts_for

Options = dict[str, Any]
Inputs = dict[str, np.ndarray]

OPERATIONS = (*WITH_TABLE, Operation.ONE_HOT)

OBSERVATIONS = frozenset(Observation) - {
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE,
    Observation.OUTPUT_SHARES_MEMORY,
}
"""The observations of generated calls; the others are left to the cases."""

_SHAPES = ((1,), (2,), (5,), (), (2, 2), (3, 1), (0,), (2, 0), (0, 3), (2, 1, 2), (1, 3, 2))
_COLUMNS = (1, 2, 3, 4, 5, 8, 17, 0)
_LONG = (30, 64, 200)
"""Entries of a bag, or indices of a lookup, if numbers come from a seed."""


@dataclass(frozen=True)
class _Making:
    """The settings that the parts of a call are made with."""

    draw: st.DrawFn
    operation: Operation
    elements: Elements
    is_long: bool
    is_finite: bool
    observe: Collection[str]

    def pick(self, values: Sequence[Any]) -> Any:
        """Draw one of some values; the first is the simplest."""
        return self.draw(st.sampled_from(values))

    def flip(self) -> bool:
        """Draw a boolean; False is the simpler."""
        return self.draw(st.booleans())


def calls(
    *,
    operations: Sequence[Operation] = OPERATIONS,
    observe: Collection[str] = OBSERVATIONS,
    only_valid: bool = True,
    extreme: bool = True,
    long: bool = True,
) -> st.SearchStrategy[Call]:
    """Return a strategy for calls.

    `observe` are the observations that calls may ask for; a call asks for a group of them that
    makes sense for it, and always for its output and its inputs. `extreme` lets in NaN, infinities
    and numbers near the ends of a dtype; `long` lets in sums of up to a few hundred terms. Every
    fourth call has an array that does not lie in C order in memory of its own.
    """
    valid = _call(tuple(operations), frozenset(observe), extreme, long)
    return valid if only_valid else st.one_of(valid, valid.flatmap(spoiled))


@st.composite
def _call(
    draw: st.DrawFn,
    operations: tuple[Operation, ...],
    observe: Collection[str],
    extreme: bool,
    long: bool,
) -> Call:
    operation = draw(st.sampled_from(operations))
    # False comes first, so that calls shrink to short ones, and often, so that few are long.
    is_long = long and draw(st.sampled_from((False, False, False, True)))
    is_extreme = extreme and not is_long and draw(st.sampled_from((False, False, False, True)))
    elements: Elements = Drawn(draw, extreme=is_extreme)
    if is_long:
        elements = Seeded(draw(st.integers(0, 2**32 - 1)))
    making = _Making(draw, operation, elements, is_long, not is_extreme, observe)
    return _one_hot(making) if operation is Operation.ONE_HOT else _embedding(making)


def _one_hot(making: _Making) -> Call:
    shape = making.pick(_SHAPES)
    classes = making.draw(st.integers(1, 6))
    indices = making.elements.integers(shape, classes)
    options: Options = {}
    if making.flip() or not indices.size:
        options["num_classes"] = classes
    elif making.flip():
        options["num_classes"] = -1
    inputs, observe = {"indices": indices}, [Observation.OUTPUT]
    if making.is_finite and Observation.PRODUCT in making.observe and making.flip():
        rows = classes if read_option(options, "num_classes") != -1 else int(indices.max()) + 1
        columns = making.pick(_COLUMNS)
        inputs["weight"] = making.elements.numbers((rows, columns), making.pick(WEIGHT_DTYPES))
        observe.append(Observation.PRODUCT)
    return _finish(making, inputs, options, observe)


def _embedding(making: _Making) -> Call:
    is_bag = making.operation.is_bag
    shape: tuple[int, ...] = _bag_sizes(making) if is_bag else making.pick(_SHAPES)
    if making.is_long and not is_bag:
        shape = (making.pick(_LONG),)
    # A table without rows has no valid index: it goes with empty lookups and empty bags only.
    needs_row = not is_bag and 0 not in shape
    rows, columns = making.draw(st.integers(1 if needs_row else 0, 6)), making.pick(_COLUMNS)
    rows = max(rows, 1) if is_bag and any(shape) else rows
    options = _options(making, rows, columns)
    inputs: Inputs = {}
    _add_weight(making, inputs, options, rows, columns)
    if is_bag:
        bags = _add_bags(making, inputs, options, shape, rows)
        output_shape: tuple[int, ...] = (bags, columns)
    else:
        dtype = making.pick(INDEX_DTYPES)
        inputs["indices"] = making.elements.integers(shape, rows).astype(dtype)
        output_shape = (*shape, columns)
    observe = _observe(making, inputs, options, columns)
    differentiates = set(observe) & {
        Observation.GRAD_WEIGHT,
        Observation.GRAD_PER_SAMPLE_WEIGHTS,
        *SPARSE_OBSERVATIONS,
        *TRAINING_OBSERVATIONS,
    }
    if differentiates and making.flip():
        dtype = _weight_dtype(inputs, options)
        inputs["grad_output"] = making.elements.numbers(output_shape, dtype)
    return _finish(making, inputs, options, observe)


def _bag_sizes(making: _Making) -> tuple[int, ...]:
    if making.is_long:
        return (making.pick(_LONG), making.pick(_LONG), 1)
    return tuple(making.draw(st.lists(st.integers(0, 4), max_size=4)))


def _options(making: _Making, rows: int, columns: int) -> Options:
    """Draw options of the operation; others keep their default."""
    # A row with NaN, or without columns, has no documented norm.
    has_norms = making.is_finite and columns
    left_out = {"mode", "padding_idx", *(() if has_norms else ("max_norm", "norm_type"))}
    optional: dict[str, st.SearchStrategy[Any]] = {
        option.name: st.booleans() if option.is_flag else st.sampled_from(option.values)
        for option in options_of(making.operation)
        if option.values and option.name not in left_out
    }
    if rows:
        optional["padding_idx"] = st.integers(0, rows - 1) | st.integers(-rows, -1)
    keys = making.draw(st.lists(st.sampled_from(sorted(optional)), unique=True, max_size=4))
    options = {key: making.draw(optional[key]) for key in sorted(keys)}
    # "sum" twice, since only sums have per-sample weights.
    mode = making.pick((None, *OPTIONS["mode"].values, "sum")) if making.operation.is_bag else None
    if mode is not None:
        options["mode"] = mode
    return without_conflicts(options)


def without_conflicts(options: Options) -> Options:
    """Leave out options that exclude others."""
    left_out = set()
    if read_option(options, "mode") == "max":
        left_out = {"sparse", "scale_grad_by_freq"}
    elif read_option(options, "sparse"):
        left_out = {"scale_grad_by_freq"}
    return {key: value for key, value in options.items() if key not in left_out}


def _add_weight(making: _Making, inputs: Inputs, options: Options, rows: int, columns: int) -> None:
    """Add a weight to the inputs, or the size of a fresh module's weight to the options."""
    dtype = making.pick(WEIGHT_DTYPES)
    if making.operation.is_fresh:
        options |= {"num_embeddings": rows, "embedding_dim": columns}
        # The default is left out, so that the plainest call has no dtype.
        if dtype != np.float32:
            options["dtype"] = dtype.name
        return
    inputs["weight"] = making.elements.numbers((rows, columns), dtype)


def _weight_dtype(inputs: Inputs, options: Options) -> np.dtype[Any]:
    if "weight" in inputs:
        return inputs["weight"].dtype
    return np.dtype(str(read_option(options, "dtype")))


def _add_bags(
    making: _Making, inputs: Inputs, options: Options, sizes: tuple[int, ...], rows: int
) -> int:
    """Cut the indices into bags, by offsets or as a matrix; return the number of bags."""
    dtype = making.pick(INDEX_DTYPES)
    if making.flip():
        inputs["indices"], bags = _matrix(making, sizes, rows), len(sizes)
    else:
        ends = np.cumsum((0, *sizes))
        has_last = bool(read_option(options, "include_last_offset"))
        # Indices behind the last bag, which only a last offset, or no bags at all, make possible.
        spare = making.pick((0, 0, 0, 1, 3)) if rows and (has_last or not sizes) else 0
        inputs["indices"] = making.elements.integers((int(ends[-1]) + spare,), rows)
        inputs["offsets"] = (ends if has_last else ends[:-1]).astype(dtype)
        bags = len(sizes)
    inputs["indices"] = inputs["indices"].astype(dtype)
    if read_option(options, "mode") == "sum" and making.flip():
        shape, weights = inputs["indices"].shape, _weight_dtype(inputs, options)
        inputs["per_sample_weights"] = making.elements.numbers(shape, weights)
    return bags


def _matrix(making: _Making, sizes: tuple[int, ...], rows: int) -> np.ndarray:
    """Make bags of equal length."""
    length = max(sizes, default=1) if rows else 0
    return making.elements.integers((len(sizes), length), rows)


def _observe(making: _Making, inputs: Inputs, options: Options, columns: int) -> list[Observation]:
    """Draw a group of observations that the call can answer."""
    has_memory = "weight" in inputs and inputs["weight"].size
    operation = making.operation
    # The conditions under which observations are comparable; the module's docstring says why.
    trains = not (operation.is_pretrained and read_option(options, "freeze"))
    shortens = read_option(options, "max_norm") is not None
    is_clear = trains and not (shortens and read_option(options, "mode") == "max")
    is_wide = _weight_dtype(inputs, options).itemsize >= np.dtype(np.float32).itemsize
    sparse = bool(read_option(options, "sparse"))
    has_entries = sparse and is_clear and columns > 0
    has_factors = "per_sample_weights" in inputs
    effects = {
        Observation.WEIGHT_AFTER: True,
        Observation.TRAINABLE: operation.makes_module,
        Observation.SHARES_MEMORY: operation.is_pretrained and has_memory,
    }
    gradients = {
        Observation.GRAD_WEIGHT: is_clear,
        Observation.GRAD_PER_SAMPLE_WEIGHTS: has_factors,
        Observation.GRAD_WEIGHT_IS_SPARSE: is_clear,
        Observation.SPARSE_GRAD_ROWS: has_entries,
        Observation.SPARSE_GRAD_VALUES: has_entries,
    }
    earlier_use = {
        Observation.GRAD_WEIGHT_AFTER_EARLIER_USE: trains
        and not (operation.is_bag or sparse or shortens),
    }
    training = {
        Observation.TRAINED_WEIGHT: is_clear or not trains,
        Observation.WEIGHT_TRAINED_BY_ADAGRAD: (is_clear or not trains) and is_wide,
        Observation.WEIGHT_TRAINED_BY_SPARSE_ADAM: is_clear and sparse and is_wide,
    }
    factors = {Observation.GRAD_PER_SAMPLE_WEIGHTS: has_factors}
    groups: list[dict[Observation, Any]] = [effects, gradients, earlier_use, factors]
    # A step changes the weight, so two steps in one call would not start from the same weight.
    groups += [{name: holds} for name, holds in training.items()]
    askable = [
        [name for name, holds in group.items() if holds and name in making.observe]
        for group in groups
    ]
    # Nothing beside the output is the simplest, and comes first.
    return [Observation.OUTPUT, *making.pick([[], *filter(None, askable)])]


def _finish(
    making: _Making, inputs: Inputs, options: Options, observe: Sequence[Observation]
) -> Call:
    names = tuple(map(str, (*observe, Observation.INPUTS_AFTER)))
    if making.pick((False, False, False, True)):
        name = making.pick(tuple(inputs))
        layout = making.pick(layouts_for(name, options, names))
        inputs[name] = laid_out(inputs[name], layout)
    return Call(making.operation, inputs, options, names)
