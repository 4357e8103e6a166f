"""Arrays as specs write them: literals, seeded generators, and tables of real data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import ml_dtypes  # noqa: F401  (registers bfloat16 and the float8 types with NumPy)
import numpy as np

from embcheck.conformance.suite import real_data
from embcheck.conformance.suite.generators import (
    GENERATORS,
    LEAST_RANK,
    NEEDS,
    PARTS,
    WHOLE,
    generate,
)
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
MAX_ELEMENTS = 10_000_000
"""Of an array in a case that is not marked `large`."""
MAX_LARGE_ELEMENTS = 2**34


class ArraySpecError(ValueError):
    """An array specification is wrong; `remedy` says what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


class ArraySource(Protocol):
    """A source of an array, which is made when it is needed."""

    @property
    def layout(self) -> str:
        """How the array lies in memory, one of `LAYOUTS`."""

    def array(self) -> np.ndarray:
        """Return a fresh array that the caller may write to, unless its layout is readonly."""

    def describe(self) -> dict[str, Any]:
        """Return dtype, shape and values or origin, as plain JSON data."""


@dataclass(frozen=True)
class Literal:
    """An array written out in full, with a memory layout."""

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
        """Return dtype, shape, values and, where it is unusual, the layout."""
        return {**describe_array(self.values), **_describe_layout(self.layout)}


@dataclass(frozen=True)
class Generated:
    """An array made from a recipe by one of `GENERATORS`; `parts` are arrays that it reads."""

    recipe: Mapping[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    parts: Mapping[str, ArraySource] = field(default_factory=dict)
    layout: str = "contiguous"

    def array(self) -> np.ndarray:
        """Return a fresh array; the same recipe gives the same values everywhere."""
        parts = {name: source.array() for name, source in self.parts.items()}
        made = generate(self.recipe, parts, self.shape, self.dtype)
        return made if self.layout == "contiguous" else LAYOUTS[self.layout](made)

    def describe(self) -> dict[str, Any]:
        """Return dtype, shape and recipe, and the values where they are few."""
        return {**_describe_made(self), "recipe": _without(self.recipe, "layout")}


@dataclass(frozen=True)
class Joined:
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
        """Return dtype, shape and what is joined, and the values where they are few."""
        parts = [part.describe() for part in self.parts]
        return {**_describe_made(self), "recipe": {"parts": parts, "repeat": self.repeat}}


@dataclass(frozen=True)
class Real:
    """An array of real data from an optional package."""

    name: str
    layout: str = "contiguous"

    def array(self) -> np.ndarray:
        """Return a fresh copy; raises real_data.Missing if the data is not installed."""
        return real_data.load(self.name).copy()

    def describe(self) -> dict[str, Any]:
        """Return the data's name, and its dtype and shape if it is installed."""
        return {"real": self.name}


def _describe_made(source: Generated | Joined) -> dict[str, Any]:
    """Describe a generated array, with its values only if they are few: making them is slow."""
    if math.prod(source.shape) <= MOST_DESCRIBED:
        return {**describe_array(source.array()), **_describe_layout(source.layout)}
    shape = {"dtype": source.dtype.name, "shape": list(source.shape)}
    return {**shape, **_describe_layout(source.layout)}


def _describe_layout(layout: str) -> dict[str, Any]:
    return {} if layout == "contiguous" else {"layout": layout}


def _without(mapping: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in names}


SHORT_TEXT = 100
MOST_DESCRIBED = 256


def describe_array(array: np.ndarray, limit: int = MOST_DESCRIBED) -> dict[str, Any]:
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
        # The shortest text that is unique in the dtype: 2.3, not 2.299999952316284.
        short = np.array([float(str(value)) for value in array.reshape(-1)], object)
        return short.reshape(array.shape).tolist()
    return str(array)


def _is_small_and_whole(array: np.ndarray) -> bool:
    """Whether all elements are integers with the same text in every floating type."""
    values = array.astype(np.float64)
    with np.errstate(invalid="ignore"):  # NaN of a kind that signals may come from foreign memory.
        return bool(((np.abs(values) < SHORT_TEXT) & (values == np.trunc(values))).all())


def named_specials(values: Any) -> Any:
    """Replace NaN and infinities, which JSON cannot hold, by their names."""
    if isinstance(values, list):
        return [named_specials(value) for value in values]
    is_special = isinstance(values, float) and not math.isfinite(values)
    return str(values) if is_special else values


def parse_array(
    spec: Any, default_dtype: str | None = None, default_shape: tuple[int, ...] | None = None
) -> ArraySource:
    """Turn the spec of an array into a source.

    `spec` is a mapping with `values`, `generator`, `parts` or `real`, or, if a default dtype is
    known, only the values. Raises ArraySpecError.
    """
    if not isinstance(spec, Mapping):
        spec = {"values": spec}
    if "real" in spec:
        return _parse_real(spec["real"])
    dtype = parse_dtype(spec.get("dtype", default_dtype))
    layout = _parse_layout(spec)
    _check_whole(spec)
    if "parts" in spec or "repeat" in spec:
        source: ArraySource = _parse_joined(spec, dtype, layout)
    elif "generator" in spec:
        source = _parse_generated(spec, dtype, layout, default_shape)
    elif "values" in spec:
        shape = _shape_of(spec["shape"]) if "shape" in spec else default_shape
        source = Literal(literal(spec["values"], dtype, shape), layout)
    else:
        raise ArraySpecError("an array has neither values nor a generator", "add `values:`")
    if layout == "expanded":
        _check_expands(source)
    return source


def _parse_joined(spec: Mapping[str, Any], dtype: np.dtype[Any], layout: str) -> Joined:
    if "parts" in spec:
        parts = tuple(parse_array(part, dtype.name) for part in spec["parts"])
    else:
        parts = (parse_array(_without(spec, "repeat", "layout"), dtype.name),)
    shapes: list[tuple[int, ...]] = [getattr(part, "shape", ()) for part in parts]
    if len({shape[1:] for shape in shapes}) != 1 or () in shapes:
        raise ArraySpecError(
            f"parts of the shapes {', '.join(str(list(shape)) for shape in shapes)} do not join",
            "give them all but the first axis alike",
        )
    repeat = spec.get("repeat", 1)
    length = repeat * sum(shape[0] for shape in shapes)
    return Joined(parts, (length, *shapes[0][1:]), dtype, repeat, layout)


def _parse_generated(
    spec: Mapping[str, Any],
    dtype: np.dtype[Any],
    layout: str,
    default_shape: tuple[int, ...] | None,
) -> Generated:
    name = spec["generator"]
    if name not in GENERATORS:
        raise ArraySpecError(
            f"there is no generator '{name}'", f"use one of {', '.join(GENERATORS)}"
        )
    for needed in NEEDS.get(name, ()):
        if needed not in spec:
            raise ArraySpecError(f"generator '{name}' needs `{needed}`", f"add `{needed}:`")
    if "shape" not in spec and default_shape is None:
        raise ArraySpecError("a generated array has no shape", "add `shape:`")
    shape = _shape_of(spec.get("shape", default_shape))
    if len(shape) < LEAST_RANK.get(name, 0):
        what = f"generator '{name}' makes no array of {len(shape)} dimensions"
        raise ArraySpecError(what, f"give `shape` {LEAST_RANK[name]} or more")
    parts = {part: parse_array(spec[part], "int64") for part in PARTS if part in spec}
    rows = getattr(parts.get("rows"), "shape", shape[:-1])
    if "rows" in parts and rows != shape[:-1]:
        what = f"`rows` has shape {list(rows)}, but `shape` says {list(shape)}"
        raise ArraySpecError(what, "make `shape` that of `rows`, and the columns behind it")
    for part, owner in (("factors", rows), ("adds", (*_shape_of_part(parts, "of"), *shape[1:]))):
        if part in parts and _shape_of_part(parts, part) != owner:
            what = f"`{part}` has shape {list(_shape_of_part(parts, part))}"
            raise ArraySpecError(what, f"make it {list(owner)}")
    return Generated(dict(spec), shape, dtype, parts, layout)


def _shape_of_part(parts: Mapping[str, ArraySource], name: str) -> tuple[int, ...]:
    return tuple(getattr(parts.get(name), "shape", ()))


def _shape_of(shape: Any) -> tuple[int, ...]:
    """Check a shape, which may come from a variable."""
    if not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ArraySpecError(f"{list(shape)} is no shape", "write whole numbers of 0 and more")
    return tuple(shape)


def _check_whole(spec: Mapping[str, Any]) -> None:
    """Refuse parameters that must be integers and are not, or are too small."""
    for name, least in WHOLE.items():
        value = spec.get(name, least)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ArraySpecError(f"{name} = {value!r}", f"write a whole number of {least} or more")


def _check_expands(source: ArraySource) -> None:
    kind, values = "array", None
    if isinstance(source, Literal):
        kind, values = "literal", source.values
    elif isinstance(source, (Generated, Joined)):
        values = replace(source, layout="contiguous").array()
    if values is not None and not (values[1:] == values[:1]).all():
        raise ArraySpecError(f"an expanded {kind} has unequal rows", "repeat the first row")


def element_count(source: ArraySource) -> int:
    """Count the elements of an array without making it; 0 for real data."""
    return math.prod(getattr(source, "shape", (0,)))


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
