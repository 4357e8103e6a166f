"""PyTorch's one-hot rows as SciPy's sparse arrays; class values must be 64-bit and name a class."""

import numpy as np
from scipy.sparse import csr_array


def one_hot(indices, num_classes=-1):
    """Return vectors with a 1 at each class value, which are 64-bit integers."""
    if indices.dtype != np.int64:
        raise TypeError(f"class values are {indices.dtype}, not int64")
    if num_classes == -1 and indices.size:
        num_classes = int(indices.max()) + 1
    if type(num_classes) is not int or num_classes < 1:
        raise ValueError("there is no class")
    if indices.size and (indices.min() < 0 or indices.max() >= num_classes):
        raise ValueError(f"a class value is outside of {num_classes} classes")
    entries = (np.ones(indices.size, np.int64), indices.reshape(-1), np.arange(indices.size + 1))
    rows = csr_array(entries, shape=(indices.size, num_classes)).toarray()
    return rows.reshape(*indices.shape, num_classes)
