"""Lookups as loops that Numba compiles: one element of the table at a time.

Functions that are not compiled flatten the indices before a loop, and reshape the output after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba
import numpy as np

from embcheck.conformance.contract.cache import cache_folder

# By default Numba writes beside this file, where a worker may not write.
numba.config.CACHE_DIR = str(cache_folder("numba"))

Kernel = TypeVar("Kernel", bound=Callable[..., np.ndarray])

compiled: Callable[[Kernel], Kernel] = numba.njit(cache=True)


@compiled
def copy_rows(weight: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Copy the row of each index."""
    output = np.empty((len(indices), weight.shape[1]), weight.dtype)
    for i in range(len(indices)):
        for d in range(weight.shape[1]):
            output[i, d] = weight[indices[i], d]
    return output


def look_up(weight: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Copy the row of each index, whatever the shape of the indices."""
    return copy_rows(weight, indices.ravel()).reshape(*indices.shape, weight.shape[1])


@compiled
def sum_bags(weight: np.ndarray, indices: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Add the rows of each bag up."""
    output = np.zeros((len(bounds) - 1, weight.shape[1]), weight.dtype)
    for bag in range(len(bounds) - 1):
        for i in range(bounds[bag], bounds[bag + 1]):
            for d in range(weight.shape[1]):
                output[bag, d] += weight[indices[i], d]
    return output


@compiled
def sum_weighted_bags(
    weight: np.ndarray, indices: np.ndarray, bounds: np.ndarray, per_sample_weights: np.ndarray
) -> np.ndarray:
    """Add the weighted rows of each bag up."""
    output = np.zeros((len(bounds) - 1, weight.shape[1]), weight.dtype)
    for bag in range(len(bounds) - 1):
        for i in range(bounds[bag], bounds[bag + 1]):
            for d in range(weight.shape[1]):
                output[bag, d] += per_sample_weights[i] * weight[indices[i], d]
    return output


@compiled
def average_bags(weight: np.ndarray, indices: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Divide the sum of each bag by its size."""
    output = np.zeros((len(bounds) - 1, weight.shape[1]), weight.dtype)
    for bag in range(len(bounds) - 1):
        for d in range(weight.shape[1]):
            for i in range(bounds[bag], bounds[bag + 1]):
                output[bag, d] += weight[indices[i], d]
            output[bag, d] /= bounds[bag + 1] - bounds[bag]
    return output


@compiled
def maximise_bags(weight: np.ndarray, indices: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Keep the greatest number of each bag and column."""
    output = np.full((len(bounds) - 1, weight.shape[1]), -np.inf, weight.dtype)
    for bag in range(len(bounds) - 1):
        for i in range(bounds[bag], bounds[bag + 1]):
            for d in range(weight.shape[1]):
                output[bag, d] = max(output[bag, d], weight[indices[i], d])
    return output


@compiled
def write_ones(indices: np.ndarray, num_classes: int) -> np.ndarray:
    """Write a one into each row of zeros."""
    output = np.zeros((len(indices), num_classes), np.int64)
    for i in range(len(indices)):
        output[i, indices[i]] = 1
    return output


def one_hot(indices: np.ndarray, num_classes: int) -> np.ndarray:
    """Write a one into each row of zeros, whatever the shape of the indices."""
    return write_ones(indices.ravel(), num_classes).reshape(*indices.shape, num_classes)
