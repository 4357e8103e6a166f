"""Gradients of the lookups and bags of `with_scipy`, by products with a transposed array.

They take the gradient of the output, and then what the lookup took.
"""

import numpy as np
from scipy.sparse import csr_array

from .with_scipy import bags_of, check_bags, check_lookup, embedding_bag


def embedding_gradient(grad_output, weight, indices, padding_idx=None, check=True):
    """Return the table's gradient, (rows, columns)."""
    if check:
        check_lookup(weight, indices, padding_idx)
    starts = np.arange(indices.size)  # a bag for each index
    bags, _ = bags_of(weight, indices.reshape(-1), starts, None, padding_idx, False)
    return add_to_rows(bags, grad_output.reshape(indices.size, weight.shape[1]), weight)


def embedding_bag_gradient(
    grad_output, weight, indices, offsets=None, mode="mean", per_sample_weights=None,
    padding_idx=None, include_last_offset=False, check=True,
):  # fmt: skip
    """Return the table's gradient, and the weights' or None."""
    if check:
        check_lookup(weight, indices, padding_idx)
        check_bags(weight, indices, offsets, mode, per_sample_weights)
    bags, kept = bags_of(
        weight, indices, offsets, per_sample_weights, padding_idx, include_last_offset
    )
    sizes, of_weights = np.diff(bags.indptr), None
    if mode == "max":  # equal maxima have equal parts
        most = embedding_bag(
            weight, indices, offsets, mode, None, padding_idx, include_last_offset, check=False
        )
        rows, places = weight[bags.indices], np.arange(len(kept) + 1)
        each = np.repeat(np.arange(len(sizes)), sizes)
        is_most = (rows == most[each]) | np.isnan(rows)
        members = csr_array((bags.data, places[:-1], bags.indptr), shape=(len(sizes), len(kept)))
        parts = grad_output / np.maximum(members @ is_most, 1)
        named = csr_array((bags.data, bags.indices, places), shape=(len(kept), len(weight)))
        return add_to_rows(named, np.where(is_most, parts[each], 0), weight), None
    if per_sample_weights is not None:
        shares = np.repeat(grad_output.astype(bags.dtype), sizes, axis=0)
        of_weights = np.zeros(indices.size, per_sample_weights.dtype)
        of_weights[kept] = (weight[bags.indices].astype(bags.dtype) * shares).sum(axis=1)
        of_weights = of_weights.reshape(indices.shape)
    if mode == "mean":
        bags.data /= np.repeat(sizes, sizes)
    return add_to_rows(bags, grad_output, weight), of_weights


def add_to_rows(bags, grad_output, weight):
    """Multiply the transpose with the gradient of the output."""
    return (bags.T @ grad_output.astype(bags.dtype)).astype(weight.dtype)
