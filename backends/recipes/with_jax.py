"""PyTorch's lookups, bags and one-hot rows, in JAX alone.

They do what torch.nn.functional.embedding, embedding_bag and one_hot document. Indices are checked
before JAX has them, as they come from NumPy: once traced by jit, or narrowed to 32 bits, they
cannot be. Inside of jit, where all of this works too, nothing is checked: call `check_indices` and
`bag_bounds` on what goes in. JAX's arrays do not change, so that there is no `max_norm`, and its
gradients are as large as the table.
"""

import jax
import jax.numpy as jnp
import numpy as np


def check_indices(indices, rows):
    """Raise where indices are not of 32 or 64 bits, or name no row."""
    if isinstance(indices, jax.core.Tracer):
        return
    given = np.asarray(indices)
    if given.dtype not in (np.int32, np.int64):
        raise TypeError(f"indices are {given.dtype}, not int32 or int64")
    if given.size and (given.min() < 0 or given.max() >= rows):
        raise IndexError(f"an index is outside of a table of {rows} rows")


@jax.custom_vjp
def take_rows(weight, indices, by):
    """Return rows; each one's gradient is divided by `by`, and zero where that is 0."""
    return jnp.take(weight, indices, axis=0, mode="clip")


def _gradient(known, grad):
    weight, indices, by = known
    wide = jnp.promote_types(weight.dtype, jnp.float32)  # halves lose what is added
    grad = jnp.where(by > 0, grad.astype(wide) / by.astype(wide), 0)
    grad = grad.reshape(indices.size, weight.shape[1])
    total = jax.ops.segment_sum(grad, indices.reshape(-1), len(weight))
    return total.astype(weight.dtype), None, None


take_rows.defvjp(lambda *given: (take_rows(*given), given), _gradient)


def embedding(weight, indices, padding_idx=None, scale_grad_by_freq=False, check=True):
    """Return the rows of a table; padding has no gradient."""
    if weight.ndim != 2 or not jnp.issubdtype(weight.dtype, jnp.floating):
        raise TypeError("the table has not two dimensions of floating-point numbers")
    if check:
        check_indices(indices, len(weight))
    rows = len(weight)
    if padding_idx is not None and not (type(padding_idx) is int and -rows <= padding_idx < rows):
        raise ValueError(f"padding_idx {padding_idx} is no row of the table")
    indices = jnp.asarray(indices)
    by = jnp.ones(indices.shape)
    if scale_grad_by_freq:
        by = jnp.zeros(len(weight)).at[indices].add(1)[indices]
    if padding_idx is not None:
        by = jnp.where(indices == padding_idx % len(weight), 0, by)
    return take_rows(weight, indices, by[..., None])


def embedding_bag(
    weight, indices, offsets=None, mode="mean", per_sample_weights=None, padding_idx=None,
    include_last_offset=False, scale_grad_by_freq=False, check=True,
):  # fmt: skip
    """Return one row for each bag; an empty one, or one of padding alone, is zeros."""
    if mode not in ("sum", "mean", "max") or (mode == "max" and scale_grad_by_freq):
        raise ValueError(f"mode {mode!r} is unknown, or does not scale gradients")
    if per_sample_weights is not None:
        if mode != "sum" or per_sample_weights.shape != jnp.shape(indices):
            raise ValueError("weights go with mode sum, one for each index")
        if per_sample_weights.dtype != weight.dtype:
            raise TypeError("the weights' dtype is not the table's")
        per_sample_weights = per_sample_weights.reshape(-1)
    bounds = bag_bounds(indices, offsets, include_last_offset, check)
    rows = embedding(weight, indices, padding_idx, scale_grad_by_freq, check)
    rows = rows.reshape(np.size(indices), weight.shape[1])
    kept = jnp.ones(len(rows), bool)
    if padding_idx is not None:
        kept = jnp.asarray(indices).reshape(-1) != padding_idx % len(weight)
    bags = jnp.searchsorted(bounds, jnp.arange(len(rows)), side="right") - 1
    count = jax.ops.segment_sum(kept.astype(int), bags, len(bounds) - 1)[:, None]
    if mode == "max":
        rows = jnp.where(kept[:, None], rows, -jnp.inf)
        most = jax.ops.segment_max(jax.lax.stop_gradient(rows), bags, len(bounds) - 1)[bags]
        places = jnp.arange(len(rows))[:, None]
        places = jnp.where((rows == most) | jnp.isnan(rows), places, len(rows))
        first = jax.ops.segment_min(places, bags, len(bounds) - 1)  # of several maxima
        return jnp.where(count > 0, jnp.take_along_axis(rows, first, 0, mode="fill"), 0)
    rows = rows.astype(jnp.promote_types(weight.dtype, jnp.float32))
    if per_sample_weights is not None:
        rows = rows * per_sample_weights[:, None]
    sums = jax.ops.segment_sum(jnp.where(kept[:, None], rows, 0), bags, len(bounds) - 1)
    return (sums / jnp.maximum(count, 1) if mode == "mean" else sums).astype(weight.dtype)


def bag_bounds(indices, offsets, include_last_offset, check=True):
    """Return where bags begin, and where the last one ends; raises for impossible offsets."""
    shape = np.shape(indices)
    if len(shape) != (2 if offsets is None else 1):
        raise ValueError("bags are rows of indices without offsets, or lie between offsets")
    if offsets is None:
        return jnp.arange(shape[0] + 1) * shape[1]
    if np.ndim(offsets) != 1 or offsets.dtype != indices.dtype:
        raise ValueError("offsets have one dimension, and the dtype of the indices")
    if not check or isinstance(offsets, jax.core.Tracer):
        return offsets if include_last_offset else jnp.append(offsets, shape[0])
    bounds = np.asarray(offsets) if include_last_offset else np.append(offsets, shape[0])
    if not len(bounds) or bounds[0] != 0 or bounds[-1] > shape[0] or (np.diff(bounds) < 0).any():
        raise ValueError("offsets do not begin with 0, decrease, or leave the indices")
    return jnp.asarray(bounds)
