"""Arrays as specs write them: literals, seeded generators, and tables of real data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import ml_dtypes  # noqa: F401  (registers bfloat16 and the float8 types with NumPy)
import numpy as np

from embcheck.conformance.suite import real_data

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
MAX_ELEMENTS = 10_000_000


class ArraySpecError(ValueError):
    """An array specification is wrong; `remedy` says what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


class ArraySource(Protocol):
    """Something that gives an array when it is needed."""

    def array(self) -> np.ndarray:
        """Return a fresh array that the caller may write to."""

    def describe(self) -> dict[str, Any]:
        """Return dtype, shape and values or origin, as plain JSON data."""


@dataclass(frozen=True)
class Literal:
    """An array written out in full, with a memory layout."""

    values: np.ndarray
    layout: str = "contiguous"

    def array(self) -> np.ndarray:
        """Return a fresh copy in the stated layout."""
        return LAYOUTS[self.layout](self.values)

    def describe(self) -> dict[str, Any]:
        """Return dtype, shape, values and, where it is unusual, the layout."""
        description = describe_array(self.values)
        if self.layout != "contiguous":
            description["layout"] = self.layout
        return description


@dataclass(frozen=True)
class Generated:
    """An array made from a seed by one of `GENERATORS`."""

    recipe: Mapping[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @cached_property
    def _values(self) -> np.ndarray:
        generator = np.random.Generator(np.random.PCG64(int(self.recipe.get("seed", 0))))
        values = GENERATORS[self.recipe["generator"]](generator, self.shape, self.recipe)
        return np.asarray(values).astype(self.dtype)

    def array(self) -> np.ndarray:
        """Return a fresh copy; the same seed gives the same values everywhere."""
        return self._values.copy()

    def describe(self) -> dict[str, Any]:
        """Return dtype, shape and recipe, and the values where they are few."""
        return {**describe_array(self._values), "recipe": dict(self.recipe)}


@dataclass(frozen=True)
class Real:
    """An array of real data that an optional package brings."""

    name: str

    def array(self) -> np.ndarray:
        """Return a fresh copy; raises real_data.Missing where the data is not installed."""
        return real_data.load(self.name).copy()

    def describe(self) -> dict[str, Any]:
        """Return the data's name; its dtype and shape where it is installed."""
        return {"real": self.name}


SHORT_TEXT = 100


def describe_array(array: np.ndarray, limit: int = 256) -> dict[str, Any]:
    """Describe an array as plain JSON data, its values only up to `limit` elements."""
    description: dict[str, Any] = {"dtype": array.dtype.name, "shape": list(array.shape)}
    name, shown = ("values", array) if array.size <= limit else ("first", array.reshape(-1)[:8])
    values = plain_values(shown)
    description[name] = values if array.dtype.kind in "biu" else named_specials(values)
    return description


def plain_values(array: np.ndarray) -> Any:
    """Return an array as nested lists of plain numbers; complex ones as text."""
    if array.dtype.kind == "c":
        return np.vectorize(str, otypes=[object])(array).tolist() if array.size else array.tolist()
    if array.dtype.kind in "biu":
        return array.tolist()
    if array.dtype.kind in "fV" and _is_small_and_whole(array):
        return array.astype(np.float64).tolist()
    if array.dtype.kind in "fV":
        # The shortest text that tells values of the dtype apart: 2.3, not 2.299999952316284.
        short = np.array([float(str(value)) for value in array.reshape(-1)], object)
        return short.reshape(array.shape).tolist()
    return str(array)


def _is_small_and_whole(array: np.ndarray) -> bool:
    """Whether all elements are whole numbers that every floating type writes alike."""
    values = array.astype(np.float64)
    return bool(((np.abs(values) < SHORT_TEXT) & (values == np.trunc(values))).all())


def named_specials(values: Any) -> Any:
    """Replace NaN and infinities, which JSON cannot hold, by their names."""
    if isinstance(values, list):
        return [named_specials(value) for value in values]
    is_special = isinstance(values, float) and not math.isfinite(values)
    return str(values) if is_special else values


def _transposed(values: np.ndarray) -> np.ndarray:
    return values.T.copy().T


def _stepped(values: np.ndarray) -> np.ndarray:
    """Lay the last axis out with a step of 2; the gaps hold bytes that no row has."""
    if values.ndim == 0:
        return values.copy()
    base = np.frombuffer(
        b"\x55" * (2 * values.nbytes or values.itemsize), dtype=values.dtype
    ).copy()
    base = base[: 2 * values.size].reshape(*values.shape[:-1], 2 * values.shape[-1])
    base[..., ::2] = values
    return base[..., ::2]


def _expanded(values: np.ndarray) -> np.ndarray:
    """Repeat one value along the first axis with a stride of 0."""
    return np.lib.stride_tricks.as_strided(
        values[:1].copy(), values.shape, (0, *values[:1].copy().strides[1:])
    )


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "contiguous": np.copy,
    "transposed": _transposed,
    "stepped": _stepped,
    "expanded": _expanded,
}

GENERATORS: dict[str, Callable[[np.random.Generator, tuple[int, ...], Mapping[str, Any]], Any]] = {
    "arange": lambda _, shape, r: r.get("start", 0) + np.arange(int(np.prod(shape))).reshape(shape),
    "full": lambda _, shape, r: np.full(shape, r["value"]),
    "integers": lambda g, shape, r: g.integers(r.get("low", 0), r["high"], size=shape),
    "normal": lambda g, shape, _: g.standard_normal(shape),
    "uniform": lambda g, shape, r: g.uniform(r.get("low", 0.0), r.get("high", 1.0), shape),
}


def parse_array(
    spec: Any, default_dtype: str | None = None, default_shape: tuple[int, ...] | None = None
) -> ArraySource:
    """Turn what a spec says of an array into a source.

    `spec` is a mapping with `values`, `generator` or `real`, or, where a default dtype is known,
    just the values. Raises ArraySpecError.
    """
    if not isinstance(spec, Mapping):
        spec = {"values": spec}
    if "real" in spec:
        return _parse_real(spec["real"])
    dtype = parse_dtype(spec.get("dtype", default_dtype))
    if "generator" in spec:
        return Generated(spec, _parse_shape(spec), dtype)
    if "values" not in spec:
        raise ArraySpecError("an array has neither values nor a generator", "add `values:`")
    shape = tuple(spec["shape"]) if "shape" in spec else default_shape
    values, layout = literal(spec["values"], dtype, shape), _parse_layout(spec)
    if layout == "expanded" and not (values[1:] == values[:1]).all():
        raise ArraySpecError("an expanded literal has unequal rows", "repeat the first row")
    return Literal(values, layout)


def parse_dtype(name: str | None) -> np.dtype[Any]:
    """Look up a dtype by its name; raises ArraySpecError for one that does not exist."""
    if name is None:
        raise ArraySpecError("an array has no dtype", "add `dtype:`")
    if name not in DTYPES:
        raise ArraySpecError(f"there is no dtype '{name}'", f"use one of {', '.join(DTYPES)}")
    return np.dtype(name)


def literal(values: Any, dtype: np.dtype[Any], shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Build an array from nested lists; raises ArraySpecError for ragged or unfitting ones."""
    try:
        array = np.array(values, dtype=object if _wide(dtype) else None)
    except ValueError:
        raise ArraySpecError(
            "the rows of a literal have different lengths", "make it rectangular"
        ) from None
    if array.dtype == object and any(isinstance(item, list) for item in array.reshape(-1)):
        raise ArraySpecError("the rows of a literal have different lengths", "make it rectangular")
    if array.dtype.kind in "US":
        raise ArraySpecError("a literal holds text", "write numbers, .nan or .inf")
    _check_fits(array, dtype)
    with np.errstate(over="ignore"):
        array = array.astype(dtype)
    if shape is None:
        return array
    if array.size == 0 and array.size == int(np.prod(shape)):
        return array.reshape(shape)
    if array.shape != shape:
        raise ArraySpecError(
            f"the literal has shape {list(array.shape)}, but `shape` says {list(shape)}",
            "correct one of them",
        )
    return array


def _wide(dtype: np.dtype[Any]) -> bool:
    """Whether int64 or float64 would round literals of this dtype on the way."""
    return dtype.name == "uint64"


def _check_fits(array: np.ndarray, dtype: np.dtype[Any]) -> None:
    if dtype.kind in "iu" and array.size:
        if array.dtype.kind == "f":
            raise ArraySpecError(
                f"a literal of dtype {dtype} holds fractions", "write whole numbers"
            )
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise ArraySpecError(f"a value does not fit in {dtype}", "choose a wider dtype")
    if array.dtype.kind == "O" and dtype.kind not in "iu":
        raise ArraySpecError("a literal holds something else than numbers", "write numbers")


def _parse_shape(spec: Mapping[str, Any]) -> tuple[int, ...]:
    if "shape" not in spec:
        raise ArraySpecError("a generated array has no shape", "add `shape:`")
    shape = tuple(spec["shape"])
    if spec["generator"] not in GENERATORS:
        raise ArraySpecError(
            f"there is no generator '{spec['generator']}'", f"use one of {', '.join(GENERATORS)}"
        )
    needed = {"integers": "high", "full": "value"}.get(spec["generator"])
    if needed and needed not in spec:
        raise ArraySpecError(
            f"generator '{spec['generator']}' needs `{needed}`", f"add `{needed}:`"
        )
    if int(np.prod(shape)) > MAX_ELEMENTS:
        raise ArraySpecError(f"more than {MAX_ELEMENTS:,} elements", "make the array smaller")
    return shape


def _parse_layout(spec: Mapping[str, Any]) -> str:
    layout: str = spec.get("layout", "contiguous")
    if layout not in LAYOUTS:
        raise ArraySpecError(f"there is no layout '{layout}'", f"use one of {', '.join(LAYOUTS)}")
    return layout


def _parse_real(name: str) -> Real:
    if name not in real_data.NAMES:
        raise ArraySpecError(
            f"there is no real data '{name}'", f"use one of {', '.join(real_data.NAMES)}"
        )
    return Real(name)
