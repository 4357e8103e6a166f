"""Parse and check the arrays of specs; each mistake comes with a remedy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from embcheck.conformance.suite import real_data
from embcheck.conformance.suite.arrays import (
    DTYPES,
    ArraySource,
    GeneratedArray,
    JoinedArray,
    Literal,
    Real,
)
from embcheck.conformance.suite.generators import (
    COUNTING,
    GENERATORS,
    LEAST_RANK,
    NEEDS,
    PARTS,
    RANGE,
    WHOLE,
    extremes,
)
from embcheck.conformance.suite.layouts import LAYOUTS
from embcheck.conformance.suite.levels import MAX_ELEMENTS as MAX_LEVELS
from embcheck.conformance.suite.levels import levels_of, scheme_named
from embcheck.conformance.suite.problems import ArraySpecError

MAX_ELEMENTS = 10_000_000
"""The most elements of an array in a case that is not marked `large`."""
MAX_LARGE_ELEMENTS = 2**34
MAX_DIMENSIONS = 32
"""As many as every NumPy since 1.26 supports."""


def parse_array(
    spec: Any, default_dtype: str | None = None, default_shape: tuple[int, ...] | None = None
) -> ArraySource:
    """Turn the spec of an array into a source. Raise ArraySpecError if it is wrong.

    `spec` is a mapping with `values`, `generator`, `parts`, `levels` or `real`. If a default dtype
    is given, it may also be the values alone.
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
    elif "levels" in spec:
        source = Literal(_levels(spec["levels"], dtype), layout)
    elif "values" in spec:
        shape = parse_shape(spec["shape"]) if "shape" in spec else default_shape
        source = Literal(literal(spec["values"], dtype, shape), layout)
    else:
        raise ArraySpecError("an array has neither values nor a generator", "add `values:`")
    if layout == "expanded":
        _check_expands(source)
    return source


def _parse_joined(spec: Mapping[str, Any], dtype: np.dtype[Any], layout: str) -> JoinedArray:
    if "parts" in spec:
        parts = tuple(parse_array(part, dtype.name) for part in spec["parts"])
    else:
        repeated = {key: value for key, value in spec.items() if key not in ("repeat", "layout")}
        parts = (parse_array(repeated, dtype.name),)
    shapes: list[tuple[int, ...]] = [getattr(part, "shape", ()) for part in parts]
    if len({shape[1:] for shape in shapes}) != 1 or () in shapes:
        raise ArraySpecError(
            f"parts of the shapes {', '.join(str(list(shape)) for shape in shapes)} do not join",
            "give them all but the first axis alike",
        )
    repeat = spec.get("repeat", 1)
    length = repeat * sum(shape[0] for shape in shapes)
    return JoinedArray(parts, (length, *shapes[0][1:]), dtype, repeat, layout)


def _levels(spec: Mapping[str, Any], dtype: np.dtype[Any]) -> np.ndarray:
    scheme = scheme_named(spec["scheme"])
    kinds = {"codes": "int64", "scales": "float64", "offsets": "float64"}
    sources = {name: parse_array(spec[name], kinds[name]) for name in kinds if name in spec}
    if any(element_count(source) > MAX_LEVELS for source in sources.values()):
        raise ArraySpecError(f"more than {MAX_LEVELS:,} codes", "make the table smaller")
    parts = {name: source.array() for name, source in sources.items()}
    if parts["codes"].dtype.kind not in "iu":
        raise ArraySpecError(f"codes of {parts['codes'].dtype} are not whole", "leave `dtype` out")
    return levels_of(scheme, parts["codes"], parts["scales"], parts.get("offsets"), dtype)


def _parse_generated(
    spec: Mapping[str, Any],
    dtype: np.dtype[Any],
    layout: str,
    default_shape: tuple[int, ...] | None,
) -> GeneratedArray:
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
    for part in ("of", "offsets"):
        _check_names(part, parts)
    rows = getattr(parts.get("rows"), "shape", shape[:-1])
    if "rows" in parts and rows != shape[:-1]:
        what = f"`rows` has shape {list(rows)}, but `shape` says {list(shape)}"
        raise ArraySpecError(what, "make `shape` that of `rows`, and the columns behind it")
    for part, owner in (("factors", rows), ("adds", (*_shape_of_part(parts, "of"), *shape[1:]))):
        if part in parts and _shape_of_part(parts, part) != owner:
            what = f"`{part}` has shape {list(_shape_of_part(parts, part))}"
            raise ArraySpecError(what, f"make it {list(owner)}")
    _check_range(spec, shape, dtype)
    return GeneratedArray(dict(spec), shape, dtype, parts, layout)


def _check_range(spec: Mapping[str, Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse parameters that are not numbers, and numbers that do not fit in the dtype."""
    # The schema is not checked again once a shared array's variables have been substituted.
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
    # Only the extremes are checked, since the whole array may have gigabytes.
    for value in extremes(spec, math.prod(shape)):
        literal(value, dtype)


def _check_names(name: str, parts: Mapping[str, ArraySource]) -> None:
    """Refuse a part that names rows or bags unless its numbers are whole and not negative.

    Offsets must also be an ascending list.
    """
    source = parts.get(name)
    if source is None:
        return
    values = np.array(list(_whole_numbers(source)))
    if (values < 0).any():
        raise ArraySpecError(f"`{name}` holds negative numbers", "write numbers of 0 and more")
    if name != "offsets":
        return
    shape = _shape_of_part(parts, name)
    is_ascending = isinstance(source, GeneratedArray) or (np.diff(values) >= 0).all()
    if len(shape) != 1 or not is_ascending:
        raise ArraySpecError("`offsets` is not an ascending list", "write where each bag begins")


def _whole_numbers(source: ArraySource) -> Iterator[float]:
    """Yield an array's whole numbers, or only their extremes. Raise ArraySpecError for others."""
    if isinstance(source, Literal):
        yield from source.values.reshape(-1).tolist()
    elif isinstance(source, JoinedArray):
        for part in source.parts:
            yield from _whole_numbers(part)
    elif isinstance(source, GeneratedArray) and source.recipe["generator"] not in (
        "normal",
        "uniform",
    ):
        yield from extremes(source.recipe, math.prod(source.shape))
    else:
        what = "`of` and `offsets` must be whole numbers"
        raise ArraySpecError(what, "write them out, or use a generator such as `arange`")


def _shape_of_part(parts: Mapping[str, ArraySource], name: str) -> tuple[int, ...]:
    return tuple(getattr(parts.get(name), "shape", ()))


def is_size(value: object) -> bool:
    """Whether a value can be the size of an axis."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def parse_shape(shape: Any) -> tuple[int, ...]:
    """Return a shape as a tuple. Raise ArraySpecError if it is not one, or is too large."""
    if not isinstance(shape, Sequence) or isinstance(shape, str) or not all(map(is_size, shape)):
        raise ArraySpecError(f"{shape} is not a shape", "write whole numbers of 0 and more")
    # An axis of 0 does not count: the other axes still have strides, which must not overflow.
    if len(shape) > MAX_DIMENSIONS or math.prod(filter(None, shape)) > MAX_LARGE_ELEMENTS:
        raise ArraySpecError(f"{list(shape)} is too large", "make the array smaller")
    return tuple(shape)


def _check_whole(spec: Mapping[str, Any]) -> None:
    """Refuse parameters that are not integers although they must be, or are too small."""
    for name, least in WHOLE.items():
        value = spec.get(name, least)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ArraySpecError(f"{name} = {value!r}", f"write a whole number of {least} or more")


def _check_expands(source: ArraySource) -> None:
    kind, values = "array", None
    if isinstance(source, Literal):
        kind, values = "literal", source.values
    elif isinstance(source, (GeneratedArray, JoinedArray)):
        values = replace(source, layout="contiguous").array()
    if values is not None and values.ndim == 0:
        raise ArraySpecError("an array without dimensions cannot be expanded", "give it a `shape:`")
    if values is not None and not (values[1:] == values[:1]).all():
        raise ArraySpecError(f"an expanded {kind} has unequal rows", "repeat the first row")


def element_count(source: ArraySource) -> int:
    """Count the elements of an array without making it; 0 for real data."""
    return math.prod(getattr(source, "shape", (0,)))


def parse_dtype(name: str | None) -> np.dtype[Any]:
    """Return the dtype of a name. Raise ArraySpecError if there is none."""
    if name is None:
        raise ArraySpecError("an array has no dtype", "add `dtype:`")
    if name not in DTYPES:
        raise ArraySpecError(f"there is no dtype '{name}'", f"use one of {', '.join(DTYPES)}")
    return np.dtype(name)


def literal(values: Any, dtype: np.dtype[Any], shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Build an array from nested lists. Raise ArraySpecError if they are ragged or do not fit."""
    _check_numbers(values, dtype)
    try:
        array = np.array(values)
        # For whole numbers below and above 2**63 together, NumPy chooses float64 and rounds them.
        if dtype.kind in "iu" and array.dtype.kind == "f":
            array = np.array(values, dtype=object)
    except ValueError:
        raise ArraySpecError(
            "the rows of a literal have different lengths", "make it rectangular"
        ) from None
    if array.dtype == object and any(isinstance(item, list) for item in array.reshape(-1)):
        raise ArraySpecError("the rows of a literal have different lengths", "make it rectangular")
    if array.ndim > MAX_DIMENSIONS:
        raise ArraySpecError(f"a literal has {array.ndim} dimensions", "write fewer")
    _check_fits(array, dtype)
    if array.dtype == object and dtype.kind not in "iu":
        try:
            array = array.astype(np.float64)
        except OverflowError:  # an integer beyond the largest float64
            what = f"a value does not fit in {dtype}"
            raise ArraySpecError(what, "write a smaller one") from None
    with np.errstate(over="ignore"):
        narrow = array.astype(dtype)
    _check_finite(array, narrow)
    if shape is None:
        return narrow
    # Lists cannot express a shape such as (0, 3), so an empty list takes any stated empty shape.
    if narrow.size == math.prod(shape) == 0:
        return narrow.reshape(shape)
    if narrow.shape != shape:
        raise ArraySpecError(
            f"the literal has shape {list(narrow.shape)}, but `shape` says {list(shape)}",
            "correct one of them",
        )
    return narrow


def _check_numbers(values: Any, dtype: np.dtype[Any]) -> None:
    """Refuse what is not a number, and booleans or fractions that the dtype does not have."""
    # By exact types, since in Python True is a number.
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
    """Yield the values in nested lists."""
    if isinstance(values, list):
        for value in values:
            yield from _leaves(value)
    else:
        yield values


def _check_finite(array: np.ndarray, narrow: np.ndarray) -> None:
    """Refuse a finite number that became infinite or NaN in a floating-point dtype."""
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
