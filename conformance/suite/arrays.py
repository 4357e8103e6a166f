"""Arrays as specs write them: literals, seeded generators, and tables of real data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import ml_dtypes  # noqa: F401  (registers bfloat16 and the float8 types with NumPy)
import numpy as np

from embcheck.conformance.suite import real_data
from embcheck.conformance.suite.generators import (
    COUNTING,
    GENERATORS,
    LEAST_RANK,
    NEEDS,
    PARTS,
    RANGE,
    WHOLE,
    extremes,
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
MAX_DIMENSIONS = 32
"""What every NumPy since 1.26 takes."""


class ArraySpecError(ValueError):
    """An array specification is wrong; `remedy` says what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


class ArraySource(Protocol):
    """Something that gives an array when it is needed."""

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
        return {**_describe_made(self), "recipe": named_specials(_without(self.recipe, "layout"))}


@dataclass(frozen=True)
class Joined:
    """Arrays put one behind the other along their first axis, `repeat` times over."""

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
    """An array of real data that an optional package brings."""

    name: str
    layout: str = "contiguous"

    def array(self) -> np.ndarray:
        """Return a fresh copy; raises real_data.Missing where the data is not installed."""
        return real_data.load(self.name).copy()

    def describe(self) -> dict[str, Any]:
        """Return the data's name; its dtype and shape where it is installed."""
        return {"real": self.name}


def _describe_made(source: Generated | Joined) -> dict[str, Any]:
    """Describe an array that is made, its values only if they are few: making many takes time."""
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
        # The shortest text that tells values of the dtype apart: 2.3, not 2.299999952316284.
        short = np.array([float(str(value)) for value in array.reshape(-1)], object)
        return short.reshape(array.shape).tolist()
    return str(array)


def _is_small_and_whole(array: np.ndarray) -> bool:
    """Whether all elements are whole numbers that every floating type writes alike."""
    values = array.astype(np.float64)
    with np.errstate(invalid="ignore"):  # NaN of a kind that signals may come from foreign memory.
        return bool(((np.abs(values) < SHORT_TEXT) & (values == np.trunc(values))).all())


def named_specials(values: Any) -> Any:
    """Replace NaN and infinities, which JSON cannot hold, by their names."""
    if isinstance(values, list):
        return [named_specials(value) for value in values]
    if isinstance(values, dict):
        return {key: named_specials(value) for key, value in values.items()}
    is_special = isinstance(values, float) and not math.isfinite(values)
    return str(values) if is_special else values


def parse_array(
    spec: Any, default_dtype: str | None = None, default_shape: tuple[int, ...] | None = None
) -> ArraySource:
    """Turn what a spec says of an array into a source.

    `spec` is a mapping with `values`, `generator`, `parts` or `real`, or, where a default dtype is
    known, just the values. Raises ArraySpecError.
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
        shape = parse_shape(spec["shape"]) if "shape" in spec else default_shape
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
    shape = parse_shape(spec.get("shape", default_shape))
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
    _check_range(spec, shape, dtype)
    return Generated(dict(spec), shape, dtype, parts, layout)


def _check_range(spec: Mapping[str, Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse a generator whose numbers are none, or do not fit in the dtype."""
    for name in (*RANGE, *COUNTING, "times"):
        value = spec.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ArraySpecError(f"{name} = {value!r} is not a number", "write a number")
        if name != "value" and not math.isfinite(value):
            raise ArraySpecError(f"{name} = {value} is not finite", "write a finite number")
    if spec["generator"] in ("integers", "uniform"):
        low, high = (spec.get(name, default) for name, default in RANGE.items() if name != "value")
        if not low < high:
            raise ArraySpecError(f"low = {low} is not below high = {high}", "exchange them")
    for value in extremes(spec, math.prod(shape)):
        literal(value, dtype)


def _shape_of_part(parts: Mapping[str, ArraySource], name: str) -> tuple[int, ...]:
    return tuple(getattr(parts.get(name), "shape", ()))


def is_size(value: object) -> bool:
    """Whether a value can be the size of an axis."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def parse_shape(shape: Any) -> tuple[int, ...]:
    """Check a shape, in which a variable may have stood; raises ArraySpecError."""
    if not isinstance(shape, Sequence) or isinstance(shape, str) or not all(map(is_size, shape)):
        raise ArraySpecError(f"{shape} is not a shape", "write whole numbers of 0 and more")
    # Where one axis is 0, the others still have strides.
    if len(shape) > MAX_DIMENSIONS or math.prod(filter(None, shape)) > MAX_LARGE_ELEMENTS:
        raise ArraySpecError(f"{list(shape)} is too large", "make the array smaller")
    return tuple(shape)


def _check_whole(spec: Mapping[str, Any]) -> None:
    """Refuse what must be a whole number and is none, or is too small."""
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
    if values is not None and values.ndim == 0:
        raise ArraySpecError("an array without dimensions cannot be expanded", "give it a `shape:`")
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
    _check_numbers(values, dtype)
    try:
        array = np.array(values, dtype=object if _wide(dtype) else None)
    except ValueError:
        raise ArraySpecError(
            "the rows of a literal have different lengths", "make it rectangular"
        ) from None
    if array.dtype == object and any(isinstance(item, list) for item in array.reshape(-1)):
        raise ArraySpecError("the rows of a literal have different lengths", "make it rectangular")
    if array.ndim > MAX_DIMENSIONS:
        raise ArraySpecError(f"a literal has {array.ndim} dimensions", "write fewer")
    _check_fits(array, dtype)
    try:
        with np.errstate(over="ignore"):
            narrow = array.astype(dtype)
    except OverflowError:  # a whole number beyond every floating one
        raise ArraySpecError(f"a value does not fit in {dtype}", "write a smaller one") from None
    _check_finite(array, narrow)
    array = narrow
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


def _check_numbers(values: Any, dtype: np.dtype[Any]) -> None:
    """Refuse what is no number; truth values where numbers belong, and the other way round."""
    leaves = [*_leaves(values)]
    kinds = set(map(type, leaves))
    if str in kinds:
        raise ArraySpecError("a literal holds text", "write numbers, .nan or .inf")
    if not kinds <= {bool, int, float}:
        raise ArraySpecError("a literal holds something else than numbers", "write numbers")
    if dtype.kind == "b" and not all(value in (0, 1) for value in leaves):
        what = "a literal of dtype bool holds other numbers than 0 and 1"
        raise ArraySpecError(what, "write true and false")
    if dtype.kind != "b" and bool in kinds:
        raise ArraySpecError(f"a literal of dtype {dtype} holds truth values", "write numbers")
    if dtype.kind in "iu" and float in kinds:
        raise ArraySpecError(f"a literal of dtype {dtype} holds fractions", "write whole numbers")


def _leaves(values: Any) -> Iterator[Any]:
    """Yield what stands in nested lists."""
    if isinstance(values, list):
        for value in values:
            yield from _leaves(value)
    else:
        yield values


def _check_finite(array: np.ndarray, narrow: np.ndarray) -> None:
    """Refuse a finite number that a floating dtype has only infinity, or NaN, for."""
    if narrow.dtype.kind in "fV" and array.size:
        wide = array.astype(np.float64)
        lost = np.isfinite(wide) & ~np.isfinite(narrow.astype(np.float64))
        if lost.any():
            what = f"{wide[lost].flat[0]:g} does not fit in {narrow.dtype}"
            raise ArraySpecError(what, "choose a wider dtype, or write .inf")


def _check_fits(array: np.ndarray, dtype: np.dtype[Any]) -> None:
    if dtype.kind in "iu" and array.size:
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise ArraySpecError(f"a value does not fit in {dtype}", "choose a wider dtype")


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
