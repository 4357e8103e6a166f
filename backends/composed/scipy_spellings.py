"""The other constructor of SciPy's `csr_array`, which is told the row and column of each entry.

It stands in the documentation beside that of the three arrays. It looks at what it is given, and a
bag's sum adds up entries of one row and column.
https://docs.scipy.org/doc/scipy/reference/generated/scipy.sparse.csr_array.html
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array

NAME = "csr_array((data, (row_ind, col_ind)), shape=(M, N))  # raises"


def look_up(weight: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Multiply an array of one entry in each row, told by its row and its column."""
    entries = (np.ones(indices.size, weight.dtype), (np.arange(indices.size), indices.ravel()))
    rows = csr_array(entries, shape=(indices.size, len(weight)))
    output: np.ndarray = rows @ weight
    return output.reshape(*indices.shape, *weight.shape[1:])


def sum_bags(
    weight: np.ndarray,
    indices: np.ndarray,
    bounds: np.ndarray,
    per_sample_weights: np.ndarray | None = None,
) -> np.ndarray:
    """Multiply an array that has a row for each bag, its entries told by row and column."""
    if per_sample_weights is None:
        per_sample_weights = np.ones(len(indices), weight.dtype)
    bags = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    entries = (per_sample_weights, (bags, indices))
    output: np.ndarray = csr_array(entries, shape=(len(bounds) - 1, len(weight))) @ weight
    return output


def average_bags(weight: np.ndarray, indices: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Divide the sums by the sizes of the bags."""
    output = sum_bags(weight, indices, bounds)
    output /= np.diff(bounds)[:, None]
    return output


def one_hot(indices: np.ndarray, num_classes: int) -> np.ndarray:
    """Write an array of one entry in each row out, told by its row and its column."""
    entries = (np.ones(indices.size, np.int64), (np.arange(indices.size), indices.ravel()))
    rows = csr_array(entries, shape=None if num_classes == -1 else (indices.size, num_classes))
    output: np.ndarray = rows.toarray()
    return output.reshape(*indices.shape, rows.shape[1])


FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {
    function.__name__: function for function in (look_up, sum_bags, average_bags, one_hot)
}
"""By the name of the function of three arrays that each stands beside."""
