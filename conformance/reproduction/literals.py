"""A case's arrays as NumPy expressions that a reader can paste."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from embcheck.conformance.suite.arrays import ArraySource, GeneratedArray, JoinedArray, Literal
from embcheck.conformance.suite.generators import BASE, COUNTING

MOST_VALUES = 2000
"""Of an array that is written out: people read and paste these scripts."""

# By NumPy alone, since whoever gets the script has no embcheck. The bytes around the elements are
# others than in embcheck's own layouts.
_LAYOUTS = {
    "contiguous": "{0}",
    "transposed": "{0}.T.copy().T",
    "stepped": "np.repeat({0}, 2, axis=-1)[..., ::2]",
    "expanded": "np.lib.stride_tricks.as_strided({0}, {0}.shape, (0, *{0}.strides[1:]))",
    "padded": "np.pad({0}, [(0, 0)] * ({0}.ndim - 1) + [(0, 3)])[..., :-3]",
    "offset": "np.pad({0}.reshape(-1), (1, 3))[1:-3].reshape({0}.shape)",
    "part": "np.pad({0}, [(1, 1)] + [(0, 0)] * ({0}.ndim - 1))[1:-1]",
    "among-zeros": "np.pad({0}.reshape(-1), {0}.size)[{0}.size : 2 * {0}.size].reshape({0}.shape)",
    "reversed": "{0}[::-1].copy()[::-1]",
    "readonly": "np.broadcast_to({0}, {0}.shape)",
    "mapped": "np.memmap('{0}.bin', {0}.dtype, 'w+', shape={0}.shape)",
}


class NotWritable(Exception):
    """A case cannot be written as a script; the message says why."""


def source_lines(name: str, source: ArraySource) -> list[str]:
    """Return lines that make an input under its name."""
    lines = [f"{name} = {expression(source)}"]
    if source.layout == "mapped":
        return [*lines, f"mapped = {_LAYOUTS['mapped'].format(name)}", f"mapped[...] = {name}",
                f"{name} = mapped"]  # fmt: skip
    if source.layout != "contiguous":
        lines.append(f"{name} = {_LAYOUTS[source.layout].format(name)}")
    return lines


def expression(source: ArraySource) -> str:
    """Write an array as one expression, but for its layout."""
    if isinstance(source, GeneratedArray | JoinedArray) and 0 in source.shape:
        return _empty(tuple(source.shape), source.dtype)
    if isinstance(source, GeneratedArray):
        return f"({_made(source)}).astype({dtype_name(source.dtype)})"
    if isinstance(source, JoinedArray):
        parts = ", ".join(expression(part) for part in source.parts)
        repeat = f" * {source.repeat}" if source.repeat > 1 else ""
        return f"np.concatenate([{parts}]{repeat}).astype({dtype_name(source.dtype)})"
    if isinstance(source, Literal):
        return literal(source.values)
    raise NotWritable("real data is too large to be written out")


def literal(array: np.ndarray) -> str:
    """Write an array with its dtype; an empty one by its shape."""
    if array.size > MOST_VALUES:
        raise NotWritable(f"an array of {array.size:,} values is too large to be written out")
    if array.size == 0:
        return _empty(array.shape, array.dtype)
    # As lists, types of ml_dtypes would keep their own scalars, which are no literals.
    exact = array.astype(np.float64) if array.dtype.kind == "V" else array
    return f"np.array({exact.tolist()}, {dtype_name(array.dtype)})"


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    """Write an array without elements as a part of one that has some.

    Those that NumPy makes have strides of 0, which no user of another library sees.
    """
    whole = tuple(max(size, 1) for size in shape)
    part = ", ".join(":" if size else ":0" for size in shape)
    return f"np.zeros({whole}, {dtype_name(dtype)})[{part}]"


def dtype_name(dtype: np.dtype[Any]) -> str:
    """Name a dtype as NumPy, or ml_dtypes, spells it."""
    if dtype.kind == "b":
        return "bool"  # `np.bool` is not in every NumPy.
    home = "ml_dtypes" if dtype.name.startswith(("bfloat", "float8")) else "np"
    return f"{home}.{dtype.name}"


_GENERATORS = {
    "digits": "(({rows} // {base} ** ({columns} % 3) % {base} + {columns}) % {base} * {times})"
    ".reshape({shape})",
    "counts": "np.outer(np.bincount({of}.reshape(-1), minlength={length}), np.full({row}, {times}))"
    ".reshape({shape})",
    "eye": "np.broadcast_to(np.eye({shape}[-2], {shape}[-1]), {shape})",
    "full": "np.full({shape}, {value})",
    "integers": "{random}.integers({low}, {high}, size={shape})",
    "normal": "{random}.standard_normal({shape})",
    "uniform": "{random}.uniform({low}, {high}, {shape})",
}


def _made(source: GeneratedArray) -> str:
    """Write a generator's values, before the conversion to their dtype."""
    size, shape, recipe = math.prod(source.shape), source.shape, source.recipe
    if recipe["generator"] == "arange":
        start, step, each = (recipe.get(name, least) for name, least in COUNTING.items())
        modulo = f" % {recipe['modulo']}" if "modulo" in recipe else ""
        return f"(({start} + {step} * (np.arange({size}) // {each})){modulo}).reshape({shape})"
    rows = f"np.arange({math.prod(shape[:-1])})[:, None]"
    if "rows" in source.parts:
        rows = f"{expression(source.parts['rows'])}[..., None]"
    words = {
        "base": BASE,
        "times": 1,
        "low": 0,
        "high": 1.0,
        **recipe,
        "shape": tuple(shape),
        "length": next(iter(shape), 1),
        "row": size // max(next(iter(shape), 1), 1),
        "rows": rows,
        "columns": f"np.arange({next(reversed(shape), 1)})",
        "of": expression(source.parts["of"]) if "of" in source.parts else "",
        "random": f"np.random.Generator(np.random.PCG64({int(recipe.get('seed', 0))}))",
    }
    return _GENERATORS[recipe["generator"]].format(**words)
