"""PyTorch's one-hot rows in tinygrad: class values must be 64-bit integers that name a class."""

from tinygrad import Tensor, dtypes


def one_hot(indices, num_classes=-1):
    """Return vectors with a 1 at each class value, which are 64-bit integers."""
    if indices.dtype != dtypes.int64:
        raise TypeError(f"class values are {indices.dtype}, not int64")
    given = indices.numpy()
    if num_classes == -1 and given.size:
        num_classes = int(given.max()) + 1
    if type(num_classes) is not int or num_classes < 1:
        raise ValueError("there is no class")
    if ((given < 0) | (given >= num_classes)).any():
        raise IndexError(f"a class value is not in [0, {num_classes})")
    return (indices.unsqueeze(-1) == Tensor.arange(num_classes)).cast(dtypes.int64)
