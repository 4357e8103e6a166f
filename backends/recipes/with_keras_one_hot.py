"""PyTorch's one-hot rows in Keras 3: class values must be 64-bit integers that name a class."""

import numpy as np
from keras import ops


def one_hot(indices, num_classes=-1):
    """Return vectors with a 1 at each class value, which are 64-bit integers."""
    given = ops.convert_to_numpy(indices)
    if given.dtype != np.int64:
        raise TypeError(f"class values are {given.dtype}, not int64")
    if num_classes == -1 and given.size:
        num_classes = int(given.max()) + 1
    if type(num_classes) is not int or num_classes < 1:
        raise ValueError("there is no class")
    if given.size and (given.min() < 0 or given.max() >= num_classes):
        raise IndexError(f"a class value is not in [0, {num_classes})")
    return ops.one_hot(ops.convert_to_tensor(indices), num_classes, dtype="int64")
