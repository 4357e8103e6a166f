"""The features that a user's own module, or own indices, need of a backend."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from embcheck.reports.answers.letters import DTYPES, INDEX_DTYPES
from embcheck.reports.compat import CompatError
from embcheck.reports.units import plural

KINDS = ("Embedding", "EmbeddingBag")
# The limits are `beyond` of the features `sizes.*` in specs/features.yaml.
SHORT = 32_768
"""The number of positions, or rows, up to which a call counts as small."""
NARROW = 1_024
FEW_BAGS = 1_024
COUNTED = 1_000_000
"""Repeats are counted among this many first indices: a large file's would not fit in memory."""


@dataclass(frozen=True)
class Found:
    """What a module, or indices, need: features, a table's dtype, and mistakes to be refused.

    `features` also names the dtype of indices. `dtype` is None without a table. `remarks` say what
    was found. `refused` are features that turn the mistakes found here into errors.
    """

    features: tuple[str, ...]
    dtype: str | None = None
    remarks: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def of_module(text: str, dtype: str | None = None) -> Found:
    """Return what the embedding modules need that `package.module:name` is, makes or contains.

    If tables have several dtypes, only those of `dtype` count. Raises CompatError if there is no
    table, the import fails, or, without `dtype`, the tables have several dtypes or an unknown one.
    """
    found = _load(text)
    # An object that is not a PyTorch module contains no modules.
    modules = found.named_modules() if hasattr(found, "named_modules") else ()
    tables = {name: module for name, module in modules if _kind(module)}
    if not tables:
        raise CompatError(f"{text} holds no torch.nn.Embedding and no torch.nn.EmbeddingBag")
    of_dtype = {name: module for name, module in tables.items() if _dtype(module) == dtype}
    tables = of_dtype or tables
    dtypes = sorted({_dtype(module) for module in tables.values()})
    if dtype is None and len(dtypes) > 1:
        raise CompatError(f"{text} has tables of {', '.join(dtypes)}: choose one with --dtype")
    if dtype is None and dtypes[0] not in DTYPES:
        known = ", ".join(DTYPES)
        raise CompatError(f"{text} has tables of {dtypes[0]}: choose one of {known} with --dtype")
    needs = {name: tuple(dict.fromkeys(_needs(module))) for name, module in tables.items()}
    remarks = [
        f"{name + ': ' if name else ''}{_described(tables[name])}; needs {', '.join(features)}"
        for name, features in needs.items()
    ]
    if any(_kind(module) == "EmbeddingBag" for module in tables.values()):
        remarks.append(
            "A module does not tell whether bags can be empty or have weights. If yours can, add "
            "--need bag.empty,bag.weights"
        )
    features = dict.fromkeys(name for each in needs.values() for name in each)
    return Found(tuple(features), dtype or dtypes[0], tuple(remarks))


def of_trace(indices: Path, offsets: Path | None = None, *, in_bags: bool = False) -> Found:
    """Return what indices, and the offsets of their bags, need; both are `.npy` files.

    With `in_bags`, each row of two-dimensional indices is a bag.

    The files are memory-mapped, and may be larger than memory. Raises CompatError for a file that
    cannot be read, for dtypes other than int32 and int64, and, with offsets, for arrays that are
    not one-dimensional.
    """
    given = _array(indices)
    dtype = given.dtype.name
    remarks = [f"{indices}: {_counted(given)}"]
    features = [dtype]
    refused: list[str] = []
    is_matrix = in_bags and offsets is None and given.ndim == 2
    is_bag = offsets is not None or is_matrix
    if given.size and int(given.min()) < 0:
        remarks.append("some are negative: an error as documented, another row in some libraries")
        refused.append("bag.bounds" if is_bag else "lookup.negative")
    if given.size and int(given.max()) >= SHORT:
        features.append("sizes.rows-beyond-16-bits")
    if given.size > SHORT:
        features.append("sizes.many-indices")
    if not given.size:
        features.append("bag.nothing" if is_bag else "lookup.empty")
    if offsets is not None:
        features += _of_bags(given, offsets, remarks)
    elif is_matrix:
        features += _of_matrix(given)
    else:
        features.append(f"lookup.{dtype}")
        features += ["lookup.scalar"] if given.ndim == 0 else []
    return Found(tuple(features), None, tuple(remarks), tuple(refused))


def _counted(given: np.ndarray) -> str:
    """Say how many indices there are, their range, and how often the most frequent one occurs."""
    shape = f" in the shape {' x '.join(map(str, given.shape))}" if given.ndim > 1 else ""
    said = f"{given.size:,} {'index' if given.size == 1 else 'indices'} of {given.dtype}{shape}"
    if not given.size:
        return said
    first = given.reshape(-1)[:COUNTED]
    [(index, count)] = Counter(first.tolist()).most_common(1)
    of = f" of the first {COUNTED:,}" if given.size > COUNTED else ""
    repeats = f", {index} stands there {count:,} times{of}" if count > 1 else ", none twice"
    return f"{said} from {given.min()} to {given.max()}{repeats}"


def _of_matrix(indices: np.ndarray) -> Iterator[str]:
    yield "bag.two-dimensional"
    if len(indices) > FEW_BAGS:
        yield "sizes.many-bags"
    if indices.dtype == np.int32:
        yield "bag.int32"


def _of_bags(indices: np.ndarray, path: Path, remarks: list[str]) -> Iterator[str]:
    offsets = _array(path)
    if indices.ndim != 1 or offsets.ndim != 1:
        raise CompatError(
            f"{path}: bags by offsets need one dimension of both; "
            f"the indices have {indices.ndim}, the offsets {offsets.ndim}"
        )
    if offsets.dtype != indices.dtype:
        remarks.append(f"offsets of {offsets.dtype} beside such indices are an error; convert one")
    lengths = np.diff(np.append(offsets, indices.size))
    # If the last offset is the number of indices, the length 0 behind it is not yet an empty bag.
    is_last = bool(offsets.size and offsets[-1] == indices.size)
    remarks.append(
        f"{path}: {plural(offsets.size, 'bag')}, the longest of {lengths.max(initial=0):,}, "
        f"{(lengths == 0).sum() - is_last:,} empty"
    )
    yield "bag.offsets"
    if (lengths == 0).sum() > is_last:
        yield "bag.empty"
    if is_last:
        remarks.append(
            "the last offset is the number of indices: include_last_offset, or an empty last bag"
        )
        # Both readings are possible, so a backend must support both.
        yield from ("bag.last-offset", "bag.empty")
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
        yield from _of_max_norm(module, is_bag=is_bag, trains=trains)
    if module.weight.shape[0] > SHORT:
        yield "sizes.rows-beyond-16-bits"
    if module.weight.shape[1] > NARROW:
        yield "sizes.wide-rows"
    if trains:
        yield from _of_training(module, prefix)


def _of_training(module: Any, prefix: str) -> Iterator[str]:
    if prefix:
        yield f"bag.gradient.{module.mode}"
    else:
        # Sooner or later, a batch names a row twice.
        yield from ("gradient", "gradient.duplicates")
    if module.padding_idx is not None:
        yield f"{prefix}padding.gradient"
    if module.scale_grad_by_freq:
        yield f"{prefix}frequency"
    if module.sparse:
        yield f"{prefix}sparse"


def _of_max_norm(module: Any, *, is_bag: bool, trains: bool) -> Iterator[str]:
    if is_bag:
        yield "bag.max_norm"
        return
    yield from ("max_norm.output", "max_norm.in-place")
    if module.norm_type != 2:
        yield "max_norm.norm_type"
    if trains:
        yield "max_norm.gradient"


def _described(module: Any) -> str:
    """Return a module's kind, sizes and dtype, and whether it is frozen, as a text."""
    shape = " x ".join(f"{size:,}" for size in module.weight.shape)
    frozen = "" if module.weight.requires_grad else ", frozen"
    return f"{_kind(module)} of {shape}, {_dtype(module)}{frozen}"


def _kind(module: Any) -> str:
    """Return which of `KINDS` a module is; empty if it is none."""
    # By name, so that this module does not import PyTorch; subclasses count too.
    names = [f"{each.__module__}.{each.__name__}" for each in type(module).__mro__]
    return next((kind for kind in KINDS if f"torch.nn.modules.sparse.{kind}" in names), "")


def _dtype(module: Any) -> str:
    return str(module.weight.dtype).removeprefix("torch.")


def _load(text: str) -> Any:
    name, _, attribute = text.partition(":")
    if not name or not attribute:
        raise CompatError(f"'{text}' names no object; write package.module:name")
    # As `python -m` does: the module may be in the current folder.
    sys.path.insert(0, str(Path.cwd()))
    try:
        thing: Any = import_module(name)
        for part in attribute.split("."):
            thing = getattr(thing, part)
        # A class or a function makes the module; it must need no arguments.
        is_made = hasattr(thing, "named_modules") and not isinstance(thing, type)
        return thing if is_made else thing()
    except (Exception, SystemExit) as error:  # noqa: BLE001  (their own code may raise anything)
        raise CompatError(f"{text}: {type(error).__name__}: {error}") from None
    finally:
        sys.path.pop(0)


def _array(path: Path) -> np.ndarray:
    try:
        found = np.load(path, allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise CompatError(f"{path}: {error}; give a .npy file of numbers") from None
    if not isinstance(found, np.ndarray):
        # For an `.npz` file, `np.load` returns an object that keeps the file open.
        found.close()
        raise CompatError(f"{path}: holds several arrays; give a .npy file")
    if found.dtype.name not in INDEX_DTYPES or not found.dtype.isnative:
        raise CompatError(f"{path}: holds {found.dtype}; convert it, as by ids.astype(numpy.int64)")
    return found
