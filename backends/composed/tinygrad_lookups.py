"""Lookups in tinygrad's own operations.

tinygrad has no reduction of segments. The bag of a row is the number of bounds at or before it,
minus 1. `Tensor.scatter_reduce` reduces the rows of each bag; `include_self=False` is documented to
leave the initial values out of the reduction.
"""

from __future__ import annotations

import ml_dtypes  # noqa: F401  (registers bfloat16 and the float8 types with NumPy)
import numpy as np
from tinygrad import Tensor, dtypes

from embcheck.backends.composed.lookups import Lookups
from embcheck.backends.composed.script import Language


def look_up(weight: Tensor, indices: Tensor) -> Tensor:
    """Take the row of each index."""
    return weight[indices]


def weigh(rows: Tensor, per_sample_weights: Tensor | None) -> Tensor:
    """Multiply rows by their weights, if there are any."""
    return rows if per_sample_weights is None else rows * per_sample_weights.unsqueeze(-1)


def reduce_matrix(
    weight: Tensor, indices: Tensor, mode: str, per_sample_weights: Tensor | None = None
) -> Tensor:
    """Reduce the rows of each row of indices by Tensor.sum, mean or max."""
    rows = weigh(look_up(weight, indices), per_sample_weights)
    output: Tensor = getattr(rows, mode)(axis=1)
    return output


def reduce_segments(
    weight: Tensor,
    indices: Tensor,
    bounds: Tensor,
    mode: str,
    per_sample_weights: Tensor | None = None,
) -> Tensor:
    """Reduce the rows between one bound and the next."""
    rows = weigh(look_up(weight, indices), per_sample_weights)
    bags = (Tensor.arange(rows.shape[0]).unsqueeze(1) >= bounds.unsqueeze(0)).sum(axis=1) - 1
    empty = Tensor.zeros(bounds.shape[0] - 1, *rows.shape[1:], dtype=rows.dtype)
    reduction = "amax" if mode == "max" else mode
    places = bags.unsqueeze(-1).expand(rows.shape)
    return empty.scatter_reduce(0, places, rows, reduction, include_self=False)


def append_end(offsets: Tensor, indices: Tensor) -> Tensor:
    """Append the number of indices to the offsets."""
    return offsets.cat(Tensor([indices.shape[0]]))


LOOKUPS = Lookups(look_up, reduce_matrix, reduce_segments, append_end)

_EXOTIC = {"bfloat16": "bfloat16", "float8_e4m3fn": "fp8e4m3", "float8_e5m2": "fp8e5m2"}
"""tinygrad's names of the dtypes that it does not exchange with NumPy: it gets their bits."""


def to_tensor(array: np.ndarray) -> Tensor:
    """Copy an array to tinygrad."""
    if array.dtype.name not in _EXOTIC:
        return Tensor(array)
    dtype = getattr(dtypes, _EXOTIC[array.dtype.name])
    return Tensor(array.view(f"u{array.dtype.itemsize}")).bitcast(dtype)


def to_array(tensor: Tensor) -> np.ndarray:
    """Copy a tensor to NumPy."""
    exotic = {getattr(dtypes, dtype): name for name, dtype in _EXOTIC.items()}
    if tensor.dtype not in exotic:
        return np.asarray(tensor.numpy())
    bits = dtypes.uint16 if tensor.dtype.itemsize == 2 else dtypes.uint8
    return np.asarray(tensor.bitcast(bits).numpy()).view(exotic[tensor.dtype])


# The same two conversions, as lines of a script.
def _from_numpy(name: str, dtype: np.dtype) -> str:
    if dtype.name not in _EXOTIC:
        return f"Tensor({name})"
    return f"Tensor({name}.view(np.uint{8 * dtype.itemsize})).bitcast(dtypes.{_EXOTIC[dtype.name]})"


def _to_numpy(name: str, dtype: str) -> str:
    if dtype not in _EXOTIC:
        return f"{name}.numpy()"
    bits = "uint16" if dtype == "bfloat16" else "uint8"
    return f"{name}.bitcast(dtypes.{bits}).numpy().view(ml_dtypes.{dtype})"


LANGUAGE = Language(
    imports="from tinygrad import Tensor, dtypes, nn  # noqa: F401",
    lookups=LOOKUPS,
    from_numpy=_from_numpy,
    to_numpy=_to_numpy,
    fresh_module="nn.Embedding({})",
    pretrained_module="module = nn.Embedding(*weight.shape)\n"
    'nn.state.load_state_dict(module, {"weight": weight}, verbose=False)',
    freeze="module.weight.is_param_(False)",
    ones="Tensor.ones_like(output)",
    gradient="output.gradient({name}, gradient={upstream})[0]",
    module_gradient="output.gradient(module.weight, gradient={upstream})[0]",
)
