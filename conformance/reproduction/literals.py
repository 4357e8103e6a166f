"""A case's arrays as NumPy expressions that a reader can paste."""

from __future__ import annotations

from typing import Any

import numpy as np

from embcheck.conformance.suite.arrays import ArraySource, Generated, Literal, Real

MOST_VALUES = 2000

_GENERATORS = {
    "arange": "{start} + np.arange({size}).reshape({shape})",
    "full": "np.full({shape}, {value})",
    "integers": "random.integers({low}, {high}, size={shape})",
    "normal": "random.standard_normal({shape})",
    "uniform": "random.uniform({low}, {high}, {shape})",
}

_LAYOUTS = {
    "contiguous": "{}",
    "transposed": "{}.T.copy().T",
    "stepped": "np.repeat({}, 2, axis=-1)[..., ::2]",
    "expanded": "np.lib.stride_tricks.as_strided({0}, {0}.shape, (0, *{0}.strides[1:]))",
}


class NotWritable(Exception):
    """A case cannot be written as a script; the message says why."""


def source_lines(name: str, source: ArraySource) -> list[str]:
    """Return lines that make an input under its name."""
    if isinstance(source, Real):
        raise NotWritable(f"{name} is real data ({source.name}), too large to be written out")
    if isinstance(source, Generated):
        return _generated(name, source)
    assert isinstance(source, Literal)  # noqa: S101  (there are three kinds of sources)
    lines = [f"{name} = {literal(source.values)}"]
    if source.layout != "contiguous":
        lines.append(f"{name} = {_LAYOUTS[source.layout].format(name)}")
    return lines


def literal(array: np.ndarray) -> str:
    """Write an array with its dtype; an empty one by its shape."""
    if array.size > MOST_VALUES:
        raise NotWritable(f"an array of {array.size:,} values is too large to be written out")
    if array.size == 0:
        return f"np.zeros({array.shape}, {dtype_name(array.dtype)})"
    exact = array.astype(np.float64) if array.dtype.kind == "V" else array
    return f"np.array({exact.tolist()}, {dtype_name(array.dtype)})"


def dtype_name(dtype: np.dtype[Any]) -> str:
    """Name a dtype as NumPy, or ml_dtypes, spells it."""
    if dtype.kind == "b":
        return "bool"
    home = "ml_dtypes" if dtype.name.startswith(("bfloat", "float8")) else "np"
    return f"{home}.{dtype.name}"


def _generated(name: str, source: Generated) -> list[str]:
    recipe = {"start": 0, "low": 0, "high": 1.0, **source.recipe}
    words = {**recipe, "shape": tuple(source.shape), "size": int(np.prod(source.shape))}
    made = _GENERATORS[recipe["generator"]].format(**words)
    seed = f"random = np.random.Generator(np.random.PCG64({int(recipe.get('seed', 0))}))"
    lines = [seed] if "random." in made else []
    return [*lines, f"{name} = ({made}).astype({dtype_name(source.dtype)})"]
