"""The definition of one_hot."""

from __future__ import annotations

import numpy as np

from embcheck.conformance.contract.backend import inputs_after
from embcheck.conformance.contract.call import Call


def one_hot(call: Call) -> dict[str, np.ndarray]:
    """Return the one-hot rows in int64, and their `product` with the weight if there is one."""
    indices, classes = call.inputs["indices"], call.option("num_classes")
    if indices.dtype != np.int64:
        raise TypeError(f"one_hot takes int64 indices, not {indices.dtype}")
    if (indices < 0).any():
        raise ValueError("class values must not be negative")
    if classes == -1:
        if not indices.size:
            raise ValueError("num_classes cannot be inferred from no indices")
        classes = int(indices.max()) + 1
    if isinstance(classes, float):
        raise TypeError(f"num_classes must be an integer, not {classes}")
    if classes < 1 or (indices >= classes).any():
        raise ValueError(f"a class value is not smaller than num_classes = {classes}")
    output = (indices[..., None] == np.arange(classes)).astype(np.int64)
    answer = {"output": output, **inputs_after(call.inputs)}
    if "weight" in call.inputs:
        weight = call.inputs["weight"]
        answer["product"] = (output.astype(np.float64) @ weight).astype(weight.dtype)
    return answer
