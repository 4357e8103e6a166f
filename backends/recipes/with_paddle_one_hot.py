"""PyTorch's one-hot rows in Paddle: class values must be 64-bit integers that name a class."""

import paddle
from paddle.nn import functional


def one_hot(indices, num_classes=-1):
    """Return vectors with a 1 at each class value, which are 64-bit integers."""
    if indices.dtype != paddle.int64:
        raise TypeError(f"class values are {indices.dtype}, not int64")
    if num_classes == -1 and indices.size:
        num_classes = int(indices.max()) + 1
    if type(num_classes) is not int or num_classes < 1:
        raise ValueError("there is no class")
    if ((indices < 0) | (indices >= num_classes)).any():
        raise IndexError(f"a class value is not in [0, {num_classes})")
    return functional.one_hot(indices, num_classes).astype("int64")
