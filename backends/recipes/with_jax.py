"""PyTorch's lookups and bags in JAX.

Without max_norm and scale_grad_by_freq. JAX refuses no index, and narrows 64 bits to 32: pass
NumPy's. Under jit nothing is checked, and a bad index mostly gives NaN: `check_ids` what goes in.
"""

import jax
import jax.numpy as jnp
import numpy as np


def check_ids(indices, rows, offsets=None):
    """Raise for indices that name no row, and for offsets that bound no bags."""
    if isinstance(indices, jax.core.Tracer) or isinstance(offsets, jax.core.Tracer):
        return
    if indices.dtype not in (np.int32, np.int64):
        raise TypeError(f"indices are {indices.dtype}, not int32 or int64")
    if indices.size and (indices.min() < 0 or indices.max() >= rows):
        raise IndexError(f"an index is outside of a table of {rows} rows")
    if offsets is not None:
        bounds = np.append(offsets, indices.size)
        if bounds[0] != 0 or (np.diff(bounds) < 0).any() or offsets.dtype != indices.dtype:
            raise ValueError("offsets must rise from 0 within the indices, and have their dtype")


@jax.jit
@jax.custom_gradient
def take_rows(weight, indices, padding):
    """Return rows; their gradients, but for padding's, are added up in float32."""

    def add_up(grad):
        wide = grad.astype(jnp.promote_types(grad.dtype, jnp.float32))
        total = jnp.zeros(weight.shape, wide.dtype).at[indices].add(wide)
        if padding is not None:
            total = total.at[padding].set(0)
        return total.astype(weight.dtype), None, None

    return weight.at[indices].get(mode="fill", wrap_negative_indices=False), add_up


def embedding(weight, indices, padding_idx=None, check=True):
    """Return the rows of a table; padding has no gradient."""
    if weight.ndim != 2 or not jnp.issubdtype(weight.dtype, jnp.floating):
        raise TypeError("the table must have two dimensions of floating-point numbers")
    padding = None if padding_idx is None else range(len(weight))[padding_idx]  # raises for no row
    if check:
        check_ids(indices, len(weight))
    return take_rows(weight, indices, padding)


def embedding_bag(weight, indices, offsets=None, mode="mean", per_sample_weights=None,
                  padding_idx=None, include_last_offset=False, check=True):  # fmt: skip
    """Return one row for each bag; an empty one, or one of padding alone, is zeros."""
    if mode not in ("sum", "mean", "max") or indices.ndim != (2 if offsets is None else 1):
        raise ValueError("mode is sum, mean or max; bags are rows of indices, or have offsets")
    if check:
        check_ids(indices, len(weight), offsets)
    rows = embedding(weight, indices.reshape(-1), padding_idx, check=False)
    rows = rows.astype(jnp.promote_types(weight.dtype, jnp.float32))
    if per_sample_weights is not None:
        given = (mode, per_sample_weights.shape, per_sample_weights.dtype)
        if given != ("sum", indices.shape, weight.dtype):
            raise ValueError("weights go with mode sum; an index has one, of the table's dtype")
        rows = rows * per_sample_weights.reshape(-1, 1)
    if offsets is None:
        offsets, include_last_offset = np.arange(len(indices) + 1) * indices.shape[1], True
    number, places = len(offsets) - bool(include_last_offset), jnp.arange(len(rows))
    bags = jnp.searchsorted(offsets, places, side="right") - 1
    if padding_idx is not None:  # belongs to no bag
        bags = jnp.where(indices.reshape(-1) == padding_idx % len(weight), number, bags)
    if mode == "max":  # the first of several has the gradient
        most = jax.ops.segment_max(jax.lax.stop_gradient(rows), bags, number + 1)[bags]
        tops = jnp.where((rows == most) | jnp.isnan(rows), places[:, None], len(rows))
        first = jnp.minimum(jax.ops.segment_min(tops, bags, number), len(rows))
        return jnp.take_along_axis(rows, first, 0, "fill", 0).astype(weight.dtype)
    sums = jax.ops.segment_sum(rows, bags, number)
    if mode == "mean":
        sums /= jnp.maximum(jax.ops.segment_sum(jnp.ones_like(bags), bags, number), 1)[:, None]
    return sums.astype(weight.dtype)
