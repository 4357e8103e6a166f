"""Arrays out of a user's files: `ids.npy`, `model.safetensors:TENSOR`, `clicks.parquet:COLUMN`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  (makes NumPy know bfloat16)
import numpy as np


class BadInput(Exception):
    """A user's file or array cannot be timed; the message says why, and what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")


@dataclass(frozen=True)
class Read:
    """An array, and the offsets of its parts where a file holds lists of different lengths."""

    array: np.ndarray
    offsets: np.ndarray | None = None


def read(text: str) -> Read:
    """Read `FILE` or `FILE:NAME`; raises BadInput."""
    path, name = _split(text)
    reader = _READERS.get(path.suffix)
    if reader is None:
        known = ", ".join(_READERS)
        raise BadInput(f"{path}: '{path.suffix}' files are not read", f"give one of {known}")
    try:
        return reader(path, name)
    except ModuleNotFoundError as error:
        what = f"reading {path} needs {error.name}, which is not installed"
        raise BadInput(what, "pip install 'embcheck[own]'") from None


def _split(text: str) -> tuple[Path, str | None]:
    """Split a path from the name in the file; the path itself may hold a colon."""
    if Path(text).is_file():
        return Path(text), None
    file, _, name = text.rpartition(":")
    if file and Path(file).is_file():
        return Path(file), name
    raise BadInput(f"there is no file {file or text}", "give a path, and :NAME after it if needed")


def _npy(path: Path, name: str | None) -> Read:
    if name is not None:
        raise BadInput(f"{path} holds one array without a name", f"leave ':{name}' out")
    return Read(_load(path, lambda: np.load(path, allow_pickle=False)))


def _npz(path: Path, name: str | None) -> Read:
    with _load(path, lambda: np.load(path, allow_pickle=False)) as arrays:
        return Read(arrays[_chosen(path, name, "array", arrays.files)])


def _safetensors(path: Path, name: str | None) -> Read:
    from safetensors import safe_open  # noqa: PLC0415  (optional)

    def load() -> np.ndarray:
        with safe_open(path, framework="numpy") as tensors:
            chosen = _chosen(path, name, "tensor", tensors.keys())
            array: np.ndarray = tensors.get_tensor(chosen)
            return array

    return Read(_load(path, load))


def _parquet(path: Path, name: str | None) -> Read:
    from pyarrow import parquet  # noqa: PLC0415  (optional)

    names = _load(path, lambda: parquet.read_schema(path).names)
    chosen = _chosen(path, name, "column", names)
    column = _load(path, lambda: parquet.read_table(path, columns=[chosen])[chosen])
    joined = column.combine_chunks()
    if joined.null_count:
        raise BadInput(f"{path}:{chosen} has {joined.null_count} nulls", "fill or drop those rows")
    if not hasattr(joined, "offsets"):
        return Read(joined.to_numpy(zero_copy_only=False))
    bounds = joined.offsets.to_numpy()
    values = joined.flatten()
    if values.null_count:
        raise BadInput(f"{path}:{chosen} has nulls in its lists", "drop them")
    offsets = (bounds[:-1] - bounds[0]).astype(np.int64)
    return Read(values.to_numpy(zero_copy_only=False), offsets)


def _chosen(path: Path, name: str | None, kind: str, names: Iterable[str]) -> str:
    names = sorted(names)
    if name is None and len(names) == 1:
        return names[0]
    if name in names:
        return str(name)
    listed = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    what = f"no {kind} is named" if name is None else f"there is no {kind} '{name}'"
    raise BadInput(f"{path}: {what}", f"write {path.name}:NAME with one of {listed or 'none'}")


def _load(path: Path, action: Callable[[], Any]) -> Any:
    """Read something from a file; a library's message about a damaged file is passed on."""
    try:
        return action()
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001  (each library has its own)
        said = " ".join(str(error).split())[:200]
        raise BadInput(f"{path} cannot be read: {said}", "write it again") from None


_READERS: dict[str, Callable[[Path, str | None], Read]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".parquet": _parquet,
}
