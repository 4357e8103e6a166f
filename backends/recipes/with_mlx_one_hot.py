"""PyTorch's one-hot rows in MLX: class values must be 64-bit integers that name a class."""

import mlx.core as mx
import numpy as np

from .with_mlx import check_ids


def one_hot(indices, num_classes=-1):
    """Return vectors with a 1 at each class value, which are 64-bit integers."""
    given = np.asarray(indices)
    if given.dtype != np.int64:
        raise TypeError(f"class values are {given.dtype}, not int64")
    if num_classes == -1 and given.size:
        num_classes = int(given.max()) + 1
    if type(num_classes) is not int or num_classes < 1:
        raise ValueError("there is no class")
    check_ids(given, num_classes)
    given = mx.array(given + 0)  # MLX takes none that lie backwards
    return (given[..., None] == mx.arange(num_classes)).astype(mx.int64)
