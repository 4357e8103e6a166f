"""The sources of a case's arrays: literals, generators, joined arrays and real data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import ml_dtypes  # noqa: F401  (registers bfloat16 and the float8 types with NumPy)
import numpy as np

from embcheck.conformance.suite import real_data
from embcheck.conformance.suite.generators import GENERATORS
from embcheck.conformance.suite.layouts import LAYOUTS

DTYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float8_e4m3fn",
    "float8_e5m2",
    "bfloat16",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
)


class ArraySource(Protocol):
    """A description of an array, which makes it when it is needed."""

    @property
    def layout(self) -> str:
        """The name of the array's memory layout, one of `LAYOUTS`."""

    def array(self) -> np.ndarray:
        """Return a fresh array that the caller may write to, unless its layout is readonly."""

    def describe(self) -> dict[str, Any]:
        """Describe the array as plain JSON data: dtype, shape, and values or origin."""


@dataclass(frozen=True)
class Literal:
    """An array that is written out in full."""

    values: np.ndarray
    layout: str = "contiguous"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self.values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the array."""
        return self.values.dtype

    def array(self) -> np.ndarray:
        """Return a fresh copy in the stated layout."""
        return LAYOUTS[self.layout](self.values)

    def describe(self) -> dict[str, Any]:
        """Return dtype, shape, values, and the layout unless it is contiguous."""
        return {**describe_array(self.values), **_describe_layout(self.layout)}


@dataclass(frozen=True)
class GeneratedArray:
    """An array that one of `GENERATORS` makes from a recipe; `parts` are arrays that it reads."""

    recipe: Mapping[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    parts: Mapping[str, ArraySource] = field(default_factory=dict)
    layout: str = "contiguous"

    def array(self) -> np.ndarray:
        """Return a fresh array; the same recipe gives the same values everywhere."""
        parts = {name: source.array() for name, source in self.parts.items()}
        make = GENERATORS[self.recipe["generator"]]
        made = make(self.recipe, parts, self.shape, self.dtype)
        # The layout `contiguous` would copy the array, which in a `large` case has gigabytes.
        return made if self.layout == "contiguous" else LAYOUTS[self.layout](made)

    def describe(self) -> dict[str, Any]:
        """Return dtype, shape, recipe, and the values if they are few."""
        # The layout has a key of its own in the description.
        recipe = {name: value for name, value in self.recipe.items() if name != "layout"}
        return {**_describe_made(self), "recipe": named_specials(recipe)}


@dataclass(frozen=True)
class JoinedArray:
    """Arrays concatenated along their first axis, `repeat` times."""

    parts: tuple[ArraySource, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    repeat: int = 1
    layout: str = "contiguous"

    def array(self) -> np.ndarray:
        """Return a fresh array in the stated layout."""
        joined = np.concatenate([part.array() for part in self.parts])
        joined = np.tile(joined, (self.repeat, *[1] * (joined.ndim - 1)))
        return LAYOUTS[self.layout](joined.astype(self.dtype, copy=False))

    def describe(self) -> dict[str, Any]:
        """Return dtype, shape, the parts that are joined, and the values if they are few."""
        parts = [part.describe() for part in self.parts]
        return {**_describe_made(self), "recipe": {"parts": parts, "repeat": self.repeat}}


@dataclass(frozen=True)
class Real:
    """An array of real data from an optional package."""

    name: str
    layout: str = "contiguous"

    def array(self) -> np.ndarray:
        """Return a fresh copy. Raise real_data.Missing if the data is not installed."""
        return real_data.load(self.name).copy()

    def describe(self) -> dict[str, Any]:
        """Return the name of the data."""
        return {"real": self.name}


def _describe_made(source: GeneratedArray | JoinedArray) -> dict[str, Any]:
    """Describe a generated array, with its values only if they are few, since that is slow."""
    if math.prod(source.shape) <= MOST_DESCRIBED:
        return {**describe_array(source.array()), **_describe_layout(source.layout)}
    shape = {"dtype": source.dtype.name, "shape": list(source.shape)}
    return {**shape, **_describe_layout(source.layout)}


def _describe_layout(layout: str) -> dict[str, Any]:
    return {} if layout == "contiguous" else {"layout": layout}


SHORT_TEXT = 100
"""Integers below this one have the same text in every floating-point dtype: `99.0`."""
MOST_DESCRIBED = 256
"""The most elements of an array whose description has all values."""


def describe_array(array: np.ndarray) -> dict[str, Any]:
    """Describe an array as plain JSON data, with all values only if they are few."""
    description: dict[str, Any] = {"dtype": array.dtype.name, "shape": list(array.shape)}
    is_short = _lists(array) <= MOST_DESCRIBED
    name, shown = ("values", array) if is_short else ("first", array.reshape(-1)[:8])
    values = plain_values(shown)
    description[name] = values if array.dtype.kind in "biu" else named_specials(values)
    return description


def _lists(array: np.ndarray) -> int:
    """Return how many numbers, or else empty lists, an array would have as nested lists."""
    shape = array.shape
    return math.prod(shape[: shape.index(0)]) if 0 in shape else array.size


def plain_values(array: np.ndarray) -> Any:
    """Return an array as nested lists of plain numbers; complex numbers are text."""
    if array.dtype.kind == "c":
        return np.vectorize(str, otypes=[object])(array).tolist() if array.size else array.tolist()
    if array.dtype.kind in "biu":
        return array.tolist()
    # Kind V: the dtypes of ml_dtypes. Most numbers of specs are small integers, for which the slow
    # way below, by their text, is not needed.
    if array.dtype.kind in "fV" and _is_small_and_whole(array):
        return array.astype(np.float64).tolist()
    if array.dtype.kind in "fV":
        # The shortest text that is unique in the dtype: 2.3, not 2.299999952316284.
        short = np.array([float(str(value)) for value in array.reshape(-1)], object)
        return short.reshape(array.shape).tolist()
    return str(array)


def _is_small_and_whole(array: np.ndarray) -> bool:
    """Whether all elements are integers with the same text in every floating-point dtype."""
    values = array.astype(np.float64)
    with np.errstate(invalid="ignore"):  # Foreign memory may hold signalling NaNs.
        return bool(((np.abs(values) < SHORT_TEXT) & (values == np.trunc(values))).all())


def named_specials(values: Any) -> Any:
    """Replace NaN and infinities, which JSON cannot hold, by text."""
    if isinstance(values, list):
        return [named_specials(value) for value in values]
    if isinstance(values, dict):
        return {key: named_specials(value) for key, value in values.items()}
    is_special = isinstance(values, float) and not math.isfinite(values)
    return str(values) if is_special else values
