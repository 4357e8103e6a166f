"""PyTorch's one-hot rows in JAX: class values must be 64-bit integers that name a class."""

import jax
import numpy as np

from .with_jax import check_ids


def one_hot(indices, num_classes=-1):
    """Return vectors with a 1 at each class value, which are 64-bit integers."""
    if indices.dtype != np.int64:
        raise TypeError(f"class values are {indices.dtype}, not int64")
    if num_classes == -1 and indices.size:
        num_classes = int(np.max(indices)) + 1
    if type(num_classes) is not int or num_classes < 1:
        raise ValueError("there is no class")
    check_ids(indices, num_classes)
    return jax.nn.one_hot(indices, num_classes, dtype=int)
