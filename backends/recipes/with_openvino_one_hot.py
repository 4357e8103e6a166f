"""PyTorch's one-hot rows by OpenVINO: class values must be 64-bit integers that name a class.

A model gives zeros for a value that names none, so that NumPy checks them. There are no gradients.
"""

import numpy as np
import openvino
import openvino.opset16 as op


def one_hot(num_classes=-1):
    """Return a function of class values: vectors of 64-bit integers, with a 1 at each."""
    given, depth = op.parameter([-1], np.int64), op.parameter([], np.int64)
    rows = op.one_hot(given, depth, np.int64(1), np.int64(0), -1)
    model = openvino.compile_model(openvino.Model([rows], [given, depth], "one-hot"), "CPU")

    def encode(indices):
        if indices.dtype != np.int64:
            raise TypeError(f"class values are {indices.dtype}, not int64")
        size = int(indices.max(initial=-1)) + 1 if num_classes == -1 else num_classes
        if type(size) is not int or size < 1:
            raise ValueError("there is no class")
        if ((indices < 0) | (indices >= size)).any():
            raise ValueError(f"a class value is outside of {size} classes")
        return model([indices.reshape(-1), size])[0].reshape(*indices.shape, size)

    return encode
