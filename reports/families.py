"""Families of backends: those built on one library, or on libraries of one kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

ARRAYS: Final = "Array libraries"
FAMILIES: Final = {
    "torch": "PyTorch",
    "torchao": "PyTorch",
    "bitsandbytes": "PyTorch",
    "jax": "JAX",
    "flax": "JAX",
    "equinox": "JAX",
    "onnx": "ONNX",
    "onnxruntime": "ONNX",
    "tensorflow": "TensorFlow",
    "ai-edge-litert": "TensorFlow",
    "keras": "Keras",
    "openvino": "OpenVINO",
    "paddle": "Paddle",
    "fbgemm_gpu": "FBGEMM",
    "torchrec": "FBGEMM",
    "triton": "Triton",
    "numpy": ARRAYS,
    "scipy": ARRAYS,
    "numba": ARRAYS,
    "cupy": ARRAYS,
    "mlx": ARRAYS,
    "tinygrad": ARRAYS,
}
"""The families of the libraries that embcheck has adapters for, in the order of a page."""

T = TypeVar("T")


def family_of(library: str) -> str:
    """Return the family of a library; an unknown library is a family of its own."""
    return FAMILIES.get(library, library) or "Others"


def by_family(things: Iterable[T], library: Callable[[T], str]) -> dict[str, list[T]]:
    """Group things by the family of their library; unknown families come last."""
    groups: dict[str, list[T]] = {}
    for thing in things:
        groups.setdefault(family_of(library(thing)), []).append(thing)
    known = [*dict.fromkeys(FAMILIES.values())]
    names = [name for name in known if name in groups]
    return {name: groups[name] for name in [*names, *(n for n in groups if n not in known)]}
