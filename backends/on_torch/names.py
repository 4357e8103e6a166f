"""PyTorch's names of operations and dtypes, for every adapter that goes through PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import ml_dtypes  # noqa: F401  (registers bfloat16 and the float8 types with NumPy)
import numpy as np
import torch

from embcheck.conformance.contract.backend import Unsupported
from embcheck.conformance.contract.call import Operation

SPELLINGS = {
    Operation.EMBEDDING: "torch.nn.functional.embedding",
    Operation.EMBEDDING_MODULE: "torch.nn.Embedding",
    Operation.EMBEDDING_FROM_PRETRAINED: "torch.nn.Embedding.from_pretrained",
    Operation.EMBEDDING_BAG: "torch.nn.functional.embedding_bag",
    Operation.EMBEDDING_BAG_MODULE: "torch.nn.EmbeddingBag",
    Operation.EMBEDDING_BAG_FROM_PRETRAINED: "torch.nn.EmbeddingBag.from_pretrained",
    Operation.ONE_HOT: "torch.nn.functional.one_hot",
}

_BITS = {
    torch.bfloat16: torch.uint16,
    torch.float8_e4m3fn: torch.uint8,
    torch.float8_e5m2: torch.uint8,
}
"""The dtypes that PyTorch does not exchange with NumPy, and those that hold their bits."""


def function_of(operation: Operation) -> Any:
    """Return the function or module constructor that PyTorch documents for an operation."""
    return attrgetter(SPELLINGS[operation].removeprefix("torch."))(torch)


def to_tensor(array: np.ndarray) -> torch.Tensor:
    """Return a tensor on the array's memory, with its strides and its place in a larger array.

    Raises Unsupported for negative strides, which tensors do not have.
    """
    if any(step < 0 for step in array.strides):
        raise Unsupported("tensors have no negative strides")
    dtype = getattr(torch, array.dtype.name)
    if dtype in _BITS:
        array = array.view(f"u{array.dtype.itemsize}")
    return _on_memory(array).view(dtype)


def _on_memory(array: np.ndarray) -> torch.Tensor:
    """Return a tensor whose storage is the whole memory that an array is a view of.

    With `torch.from_numpy` alone, a view would get a storage of its own, unlike a slice of a
    tensor.
    """
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    # The array is empty or is all of its memory, or that memory is not contiguous.
    if root.nbytes <= array.nbytes or not array.size or not root.flags.c_contiguous:
        return torch.from_numpy(array)
    data, size = root.reshape(-1).view(np.uint8), array.itemsize
    start = array.__array_interface__["data"][0] - data.__array_interface__["data"][0]
    # Whole elements only, aligned like the elements of the array.
    whole = data[start % size :][: (data.size - start % size) // size * size].view(array.dtype)
    steps = [step // size for step in array.strides]
    return torch.from_numpy(whole).as_strided(array.shape, steps, start // size)


def to_array(tensor: torch.Tensor) -> np.ndarray:
    """Convert a tensor to NumPy; a sparse one becomes dense."""
    tensor = tensor.detach().to_dense().cpu()
    bits = tensor.view(_BITS.get(tensor.dtype, tensor.dtype))
    return np.asarray(bits.numpy()).view(str(tensor.dtype).removeprefix("torch."))


def arrays_of(answer: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Convert an answer of tensors and plain values, such as flags, to NumPy."""
    return {
        name: to_array(seen) if isinstance(seen, torch.Tensor) else np.array(seen)
        for name, seen in answer.items()
    }
