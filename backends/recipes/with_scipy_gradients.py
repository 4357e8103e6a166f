"""Gradients of the lookups and bags of `with_scipy`, by products with a transposed array.

They take the gradient of the output, and then what the lookup took.
"""

import numpy as np
from scipy.sparse import coo_array

from .with_scipy import bag_bounds, bags_of, check_bags, check_lookup, reduce_bags


def embedding_gradient(
    grad_output, weight, indices, padding_idx=None, scale_grad_by_freq=False, check=True
):
    """Return the table's gradient, (rows, columns)."""
    if check:
        check_lookup(weight, indices, padding_idx)
    each = np.arange(indices.size + 1)  # a bag for each index
    bags, kept = bags_of(weight, indices, each, None, padding_idx)
    if scale_grad_by_freq:
        bags.data /= frequencies(indices)[kept]
    return add_to_rows(bags, grad_output.reshape(indices.size, weight.shape[1]), weight)


def embedding_bag_gradient(
    grad_output, weight, indices, offsets=None, mode="mean", per_sample_weights=None,
    padding_idx=None, include_last_offset=False, scale_grad_by_freq=False, check=True,
):  # fmt: skip
    """Return the table's gradient, and the weights' or None."""
    if check:
        check_lookup(weight, indices, padding_idx)
        check_bags(weight, indices, mode, per_sample_weights, scale_grad_by_freq)
    bounds = bag_bounds(indices, offsets, include_last_offset, check)
    bags, kept = bags_of(weight, indices, bounds, per_sample_weights, padding_idx)
    sizes = np.diff(bags.indptr)
    if mode == "max":
        return add_to_first_maxima(bags, grad_output, weight), None
    of_weights = None
    if per_sample_weights is not None:
        shares = np.repeat(grad_output.astype(bags.dtype), sizes, axis=0)
        of_weights = np.zeros(indices.size, per_sample_weights.dtype)
        of_weights[kept] = (weight[bags.indices].astype(bags.dtype) * shares).sum(axis=1)
        of_weights = of_weights.reshape(indices.shape)
    if mode == "mean":
        bags.data /= np.repeat(sizes, sizes)
    if scale_grad_by_freq:
        bags.data /= frequencies(indices)[kept]
    return add_to_rows(bags, grad_output, weight), of_weights


def add_to_rows(bags, grad_output, weight):
    """Multiply the transpose with the gradient of the output."""
    return (bags.T @ grad_output.astype(bags.dtype)).astype(weight.dtype)


def add_to_first_maxima(bags, grad_output, weight):
    """Add each element of a gradient to the first of the elements that are its bag's maximum."""
    sizes, rows = np.diff(bags.indptr), weight[bags.indices].astype(bags.dtype)
    most = np.repeat(reduce_bags(np.maximum, rows, bags.indptr), sizes, axis=0)
    places = np.arange(len(rows))[:, None]
    places = np.where((rows == most) | np.isnan(rows), places, len(rows))
    first = reduce_bags(np.minimum, places, bags.indptr)[sizes > 0]
    columns = np.broadcast_to(np.arange(weight.shape[1]), first.shape)
    shares = grad_output.astype(bags.dtype)[sizes > 0]
    at = (bags.indices[first].ravel(), columns.ravel())
    return coo_array((shares.ravel(), at), shape=weight.shape).toarray().astype(weight.dtype)


def frequencies(indices):
    """Return for each index how often it stands there."""
    return np.bincount(indices.reshape(-1))[indices.reshape(-1)]
