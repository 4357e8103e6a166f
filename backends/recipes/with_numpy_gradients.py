"""Gradients of the lookups and bags of `with_numpy`, as large as the table.

They take the gradient of the output, and then what the lookup took.
"""

import numpy as np

from .with_numpy import bags_of, check_bags, check_lookup, reduce_bags


def embedding_gradient(grad_output, weight, indices, padding_idx=None, check=True):
    """Return the table's gradient, (rows, columns)."""
    if check:
        check_lookup(weight, indices, padding_idx)
    shares = grad_output.reshape(indices.size, weight.shape[1])
    return add_to_rows(shares, indices.reshape(-1), weight, padding_idx)


def embedding_bag_gradient(
    grad_output, weight, indices, offsets=None, mode="mean", per_sample_weights=None,
    padding_idx=None, include_last_offset=False, check=True,
):  # fmt: skip
    """Return the table's gradient, and the weights' or None."""
    if check:
        check_lookup(weight, indices, padding_idx)
        check_bags(weight, indices, offsets, mode, per_sample_weights)
    kept, bounds = bags_of(weight, indices, offsets, padding_idx, include_last_offset)
    wide = np.promote_types(weight.dtype, np.float32)
    named, sizes = indices.reshape(-1)[kept], np.diff(bounds)
    bags = np.repeat(np.arange(len(sizes)), sizes)
    rows, shares, of_weights = weight[named].astype(wide), grad_output.astype(wide)[bags], None
    if per_sample_weights is not None:
        of_weights = np.zeros(indices.size, per_sample_weights.dtype)
        of_weights[kept] = (rows * shares).sum(axis=1)
        of_weights = of_weights.reshape(indices.shape)
        shares = shares * per_sample_weights.reshape(-1)[kept][:, None]
    if mode == "mean":
        shares = shares / sizes[bags][:, None]
    if mode == "max":  # goes to the first of several maxima
        most, places = reduce_bags(np.maximum, rows, bounds)[bags], np.arange(len(rows))[:, None]
        tops = np.where((rows == most) | np.isnan(rows), places, len(rows))
        shares = np.where(places == reduce_bags(np.minimum, tops, bounds)[bags], shares, 0)
    return add_to_rows(shares, named, weight, padding_idx), of_weights


def add_to_rows(shares, named, weight, padding_idx):
    """Add what each position passes on to the row that it names; padding gets nothing."""
    shares = shares.astype(np.promote_types(weight.dtype, np.float32), copy=False)
    order = np.argsort(named, kind="stable")
    bounds = np.searchsorted(named[order], np.arange(len(weight) + 1))
    total = reduce_bags(np.add, shares[order], bounds)
    if padding_idx is not None:
        total[padding_idx] = 0
    return total.astype(weight.dtype, copy=False)
