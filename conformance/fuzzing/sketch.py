"""A large call described by its sizes, its options, and the generators that make its arrays.

A sketch can be shrunk by changing a number, and be written as a spec without its values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.suite.array_parser import parse_array

ArraySpec = dict[str, Any]

LAST, FIRST, NEGATIVE = "last", "first", "negative"
"""Which row is the padding: the last one, the first one, or the last one counted from the end."""
_KEPT_FROM = 2**20
"""Arrays with at least so many elements are kept until the next one is made."""


@dataclass(frozen=True)
class Sketch:
    """A call of a given size; its first index is the last row, the next ones are `step` apart.

    A lookup has `positions`. Bags have `entries` each, in one of three forms: `matrix`, `offsets`,
    or `last`, which is offsets with include_last_offset. For one_hot, `rows` are classes.
    """

    operation: Operation
    rows: int = 1
    columns: int = 1
    positions: int = 1
    bags: int = 1
    entries: int = 1
    form: str = "offsets"
    dtype: str = "float32"
    index_dtype: str = "int64"
    options: Mapping[str, Any] = field(default_factory=dict)
    padding: str = ""
    """Empty, or one of LAST, FIRST and NEGATIVE."""
    observe: tuple[str, ...] = ()
    """The observations beside the output and the inputs."""
    values: str = "digits"
    """How the table is filled: `digits`, which name row and column, or `normal`."""
    weighted: bool = False
    upstream: str = ""
    """Empty for no upstream gradient, or `digits` or `full`."""
    layouts: Mapping[str, str] = field(default_factory=dict)
    shift: int = 0
    step: int = 1
    each: int = 1
    """How many indices in a row are the same."""
    bad: int | None = None
    """The last index is `rows` plus this, or this itself if negative; None for a valid one."""

    @property
    def axes(self) -> tuple[str, ...]:
        """The sizes that the operation has."""
        if self.operation is Operation.ONE_HOT:
            return ("rows", "positions")
        if self.operation.is_bag:
            return ("rows", "columns", "bags", "entries")
        return ("rows", "columns", "positions")

    def resized(self, **sizes: int) -> Sketch:
        """Return the sketch with some other sizes."""
        changed: dict[str, Any] = dict(sizes)
        return replace(self, **changed)

    @property
    def index_count(self) -> int:
        """How many indices there are."""
        return self.bags * self.entries if self.operation.is_bag else self.positions

    @property
    def elements(self) -> int:
        """How many elements the largest array has."""
        if self.operation is Operation.ONE_HOT:
            return self.rows * self.positions
        return max(self.rows, self.index_count) * max(self.columns, 1)

    @property
    def known_options(self) -> dict[str, Any]:
        """The options, with the number of the padding row."""
        rows = {LAST: self.rows - 1, FIRST: 0, NEGATIVE: -1}
        options = dict(self.options)
        if self.padding:
            options["padding_idx"] = rows[self.padding]
        if self.operation.is_bag and self.form == "last":
            options["include_last_offset"] = True
        if self.operation is Operation.ONE_HOT:
            options["num_classes"] = self.rows
        return options

    def inputs(self) -> dict[str, ArraySpec]:
        """Return the arrays as a spec writes them."""
        specs = {"indices": self._indices()}
        if self.operation is not Operation.ONE_HOT:
            specs["weight"] = self._table((self.rows, self.columns), self.values)
        if self.operation.is_bag and self.form != "matrix":
            count = self.bags + (self.form == "last")
            steps = {} if self.entries == 1 else {"step": self.entries}
            specs["offsets"] = _made("arange", [count], self.index_dtype, **steps)
        if self.weighted:
            shape = specs["indices"].get("shape", [self.index_count])
            counted = {"start": 1, "modulo": 5}
            specs["per_sample_weights"] = _made("arange", shape, self.dtype, **counted)
        if self.upstream:
            length = self.bags if self.operation.is_bag else self.positions
            specs["grad_output"] = self._upstream([length, self.columns])
        for name, layout in self.layouts.items():
            # A variant may have other numbers than those for which `expanded` was chosen.
            fits = layout != "expanded" or specs.get(name, {}).get("generator") == "full"
            if name in specs and fits:
                specs[name]["layout"] = layout
        return specs

    def call(self) -> Call:
        """Make the call."""
        # Through the parser of specs, so that the written spec makes the same arrays.
        arrays = {name: _array(spec) for name, spec in self.inputs().items()}
        observe = (Observation.OUTPUT, *self.observe, Observation.INPUTS_AFTER)
        return Call(self.operation, arrays, self.known_options, tuple(map(str, observe)))

    def _indices(self) -> ArraySpec:
        is_matrix = self.operation.is_bag and self.form == "matrix"
        shape = [self.bags, self.entries] if is_matrix else [self.index_count]
        counted = {"start": (self.rows - 1 - self.shift) % max(self.rows, 1), "step": self.step}
        counted |= {"each": self.each} if self.each > 1 else {}
        counted |= {"modulo": max(self.rows, 1)}
        # Parts are joined along one axis, so a matrix has no bad index.
        if self.bad is None or is_matrix:
            return _made("arange", shape, self.index_dtype, **counted)
        wrong = self.bad if self.bad < 0 else self.rows + self.bad
        good = _made("arange", [shape[0] - 1], self.index_dtype, **counted)
        return {"dtype": self.index_dtype, "parts": [good, [wrong]]}

    def _table(self, shape: tuple[int, int], values: str) -> ArraySpec:
        if values == "normal":
            return _made("normal", list(shape), self.dtype, seed=1)
        # Small in half precision, so that sums of bags stay far below the largest number.
        is_small = self.operation.is_bag and self.dtype == "float16"
        return _made("digits", list(shape), self.dtype, **({"times": 1 / 256} if is_small else {}))

    def _upstream(self, shape: list[int]) -> ArraySpec:
        if self.upstream == "full":
            return _made("full", shape, self.dtype, value=2)
        return _made("digits", shape, self.dtype, base=7)


def _made(generator: str, shape: list[int], dtype: str, **recipe: Any) -> ArraySpec:
    return {"generator": generator, **recipe, "shape": shape, "dtype": dtype}


def _array(spec: ArraySpec) -> np.ndarray:
    if prod(spec.get("shape", ())) >= _KEPT_FROM:
        return _kept(json.dumps(spec))
    return parse_array(spec).array()


# A table of 2**24 rows is used several times in a row; to keep more than one would fill memory.
@lru_cache(maxsize=1)
def _kept(spec: str) -> np.ndarray:
    return parse_array(json.loads(spec)).array()
