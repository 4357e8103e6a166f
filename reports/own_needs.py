"""What somebody's own module, or own indices, need of a backend: names of features."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from embcheck.reports.compat import CompatError

KINDS = ("Embedding", "EmbeddingBag")
SHORT = 32_768
"""Positions, or rows, up to which a call is like the small ones."""
FEW_BAGS = 1_024


@dataclass(frozen=True)
class Found:
    """Features that something needs, the dtype of its table if it has one, and remarks."""

    features: tuple[str, ...]
    dtype: str | None = None
    remarks: tuple[str, ...] = ()


def of_module(text: str) -> Found:
    """Return what the modules need that `package.module:name` is, makes, or holds.

    Raises CompatError where there is none, or its import fails.
    """
    modules = [module for module in _modules(_load(text)) if _kind(module)]
    if not modules:
        raise CompatError(f"{text} holds no torch.nn.Embedding and no torch.nn.EmbeddingBag")
    features = dict.fromkeys(name for module in modules for name in _needs(module))
    dtypes = {str(module.weight.dtype).removeprefix("torch.") for module in modules}
    remarks = [f"{_kind(module)} of {_shape(module)}, {module.weight.dtype}" for module in modules]
    if len(dtypes) > 1:
        remarks.append(f"tables of {', '.join(sorted(dtypes))}: ask for each with --dtype")
    return Found(tuple(features), min(dtypes), tuple(remarks))


def of_trace(indices: Path, offsets: Path | None = None) -> Found:
    """Return what indices, and the offsets of their bags, need; both are `.npy` files.

    Raises CompatError for a file that cannot be read.
    """
    given = _array(indices)
    features = dict.fromkeys(
        [f"lookup.{given.dtype}"] if given.dtype in (np.int32, np.int64) else []
    )
    remarks = [f"{given.size:,} indices of {given.dtype}"]
    if given.dtype not in (np.int32, np.int64):
        remarks.append("such indices are documented nowhere; make them 32-bit or 64-bit integers")
    if given.size:
        remarks[0] += f" from {given.min()} to {given.max()}"
        if given.min() < 0:
            remarks.append("some are negative, which is an error, and another row elsewhere")
        if given.max() >= SHORT:
            features["sizes.rows-beyond-16-bits"] = None
    else:
        features["lookup.empty"] = None
    if given.size > SHORT:
        features["sizes.many-indices"] = None
    if offsets is not None:
        features |= dict.fromkeys(_of_bags(given, _array(offsets), remarks))
    return Found(tuple(features), None, tuple(remarks))


def _of_bags(indices: np.ndarray, offsets: np.ndarray, remarks: list[str]) -> Iterator[str]:
    lengths = np.diff(np.append(offsets, indices.size))
    remarks.append(f"{offsets.size:,} bags, the longest of {lengths.max(initial=0):,}")
    yield "bag.offsets"
    if (lengths[:-1] == 0).any() or (lengths.size and lengths[-1] == 0):
        yield "bag.empty"
    if offsets.size and offsets[-1] == indices.size:
        remarks.append("the last bag is empty, or the offsets are for include_last_offset")
        yield "bag.last-offset"
    if offsets.size > FEW_BAGS:
        yield "sizes.many-bags"
    if (lengths < 0).any() or (offsets.size and offsets[0] != 0):
        remarks.append("the offsets do not begin with 0, or decrease, which is an error")
    if indices.dtype == np.int32:
        yield "bag.int32"


def _needs(module: Any) -> Iterator[str]:
    """Name the features that a module's options ask for."""
    trains, is_bag = bool(module.weight.requires_grad), _kind(module) == "EmbeddingBag"
    prefix = "bag." if is_bag else ""
    yield f"bag.{module.mode}" if is_bag else "lookup"
    if is_bag and module.include_last_offset:
        yield "bag.last-offset"
    if module.padding_idx is not None:
        yield "bag.padding" if is_bag else "padding.output"
    if module.max_norm is not None:
        yield from ("bag.max_norm",) if is_bag else ("max_norm.output", "max_norm.in-place")
    if module.weight.shape[0] > SHORT:
        yield "sizes.rows-beyond-16-bits"
    if trains:
        yield f"bag.gradient.{module.mode}" if is_bag else "gradient"
        if not is_bag:
            yield "gradient.duplicates"
        if module.padding_idx is not None:
            yield f"{prefix}padding.gradient"
        if module.scale_grad_by_freq:
            yield f"{prefix}frequency"
        if module.sparse:
            yield f"{prefix}sparse"


def _kind(module: Any) -> str:
    """Name the class of PyTorch's that a module is of; empty for another."""
    names = [f"{each.__module__}.{each.__name__}" for each in type(module).__mro__]
    return next((kind for kind in KINDS if f"torch.nn.modules.sparse.{kind}" in names), "")


def _shape(module: Any) -> str:
    return " x ".join(f"{size:,}" for size in module.weight.shape)


def _modules(thing: Any) -> Iterable[Any]:
    return thing.modules() if hasattr(thing, "modules") else ()


def _load(text: str) -> Any:
    name, _, attribute = text.partition(":")
    if not attribute:
        raise CompatError(f"'{text}' names no object; write package.module:name")
    sys.path.insert(0, str(Path.cwd()))
    try:
        thing = getattr(import_module(name), attribute)
        return thing if hasattr(thing, "modules") and not isinstance(thing, type) else thing()
    except Exception as error:  # noqa: BLE001  (somebody's own code may raise anything)
        raise CompatError(f"{text}: {type(error).__name__}: {error}") from None
    finally:
        sys.path.pop(0)


def _array(path: Path) -> np.ndarray:
    try:
        found = np.load(path, allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise CompatError(f"{path}: {error}; give a .npy file of numbers") from None
    if not isinstance(found, np.ndarray):
        raise CompatError(f"{path}: holds several arrays; give a .npy file")
    return found
