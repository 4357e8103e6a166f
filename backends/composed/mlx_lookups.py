"""Lookups in MLX's own operations.

MLX has no reduction of segments. `mx.searchsorted` finds the bag of each row in the bounds, and
`array.at`, which is documented to apply all updates, reduces the rows of each bag. Rows before the
first bag or behind the last one go to two extra bags, which are cut off.
"""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import mlx.core as mx
import numpy as np

from embcheck.backends.composed.lookups import Lookups
from embcheck.backends.composed.script import Language


def look_up(weight: mx.array, indices: mx.array) -> mx.array:
    """Take the row of each index."""
    return mx.take(weight, indices, axis=0)


def weigh(rows: mx.array, per_sample_weights: mx.array | None) -> mx.array:
    """Multiply rows by their weights, if there are any."""
    return rows if per_sample_weights is None else rows * per_sample_weights[..., None]


def reduce_matrix(
    weight: mx.array, indices: mx.array, mode: str, per_sample_weights: mx.array | None = None
) -> mx.array:
    """Reduce the rows of each row of indices by mx.sum, mx.mean or mx.max."""
    rows = weigh(look_up(weight, indices), per_sample_weights)
    reduction: Callable[..., mx.array] = getattr(mx, mode)
    return reduction(rows, axis=1)


def reduce_segments(
    weight: mx.array,
    indices: mx.array,
    bounds: mx.array,
    mode: str,
    per_sample_weights: mx.array | None = None,
) -> mx.array:
    """Reduce the rows between one bound and the next."""
    rows = weigh(look_up(weight, indices), per_sample_weights)
    bags = mx.searchsorted(bounds, mx.arange(len(indices)), side="right")
    shape = (len(bounds) + 1, *rows.shape[1:])
    if mode == "max":
        return mx.full(shape, -mx.inf, rows.dtype).at[bags].maximum(rows)[1:-1]
    sums = mx.zeros(shape, rows.dtype).at[bags].add(rows)[1:-1]
    return sums / (bounds[1:] - bounds[:-1])[:, None] if mode == "mean" else sums


def append_end(offsets: mx.array, indices: mx.array) -> mx.array:
    """Append the number of indices to the offsets."""
    return mx.concatenate([offsets, mx.array([len(indices)])])


def to_array(array: mx.array | bool) -> np.ndarray:
    """Copy an array to NumPy; a flag is a Python boolean."""
    # NumPy cannot read MLX's bfloat16 buffers, only their bits.
    if isinstance(array, mx.array) and array.dtype == mx.bfloat16:
        return np.array(array.view(mx.uint16)).view(ml_dtypes.bfloat16)
    return np.array(array)


def _from_numpy(name: str, dtype: np.dtype) -> str:
    # By itself MLX makes float32 of float64.
    return f"mx.array({name}, mx.float64)" if dtype == np.float64 else f"mx.array({name})"


def _to_numpy(name: str, dtype: str) -> str:
    if dtype == "bfloat16":
        return f"np.array({name}.view(mx.uint16)).view(ml_dtypes.bfloat16)"
    return f"np.array({name})"


LOOKUPS = Lookups(look_up, reduce_matrix, reduce_segments, append_end)

LANGUAGE = Language(
    imports="import mlx.core as mx\nfrom mlx import nn  # noqa: F401",
    lookups=LOOKUPS,
    from_numpy=_from_numpy,
    to_numpy=_to_numpy,
    fresh_module="nn.Embedding({})",
    set_dtype="module.set_dtype(mx.{})",
    pretrained_module="module = nn.Embedding(weight.shape[0], weight.shape[-1])\n"
    'module.load_weights([("weight", weight)])',
    freeze="module.freeze()",
    ones="mx.ones_like(output)",
    gradient="mx.grad(lambda {name}: ({look_up} * {upstream}).sum())({name})",
    module_gradient="nn.value_and_grad("
    'module, lambda indices: (module(indices) * {upstream}).sum())(indices)[1]["weight"]',
)
