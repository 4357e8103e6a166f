"""PyTorch's one-hot rows in tinygrad: class values must be 64-bit integers that name a class."""

import numpy as np
from tinygrad import Tensor, dtypes

from .with_tinygrad import check_indices, to_numpy, to_tensor


def one_hot(indices, num_classes=-1):
    """Return vectors with a 1 at each class value, which are 64-bit integers."""
    given = to_numpy(indices)
    if given.dtype != np.int64:
        raise TypeError(f"class values are {given.dtype}, not int64")
    if num_classes == -1 and given.size:
        num_classes = int(given.max()) + 1
    if type(num_classes) is not int or num_classes < 1:
        raise ValueError("there is no class")
    check_indices(given, num_classes)
    return (to_tensor(given).unsqueeze(-1) == Tensor.arange(num_classes)).cast(dtypes.int64)
