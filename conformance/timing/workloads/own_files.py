"""Arrays from a user's files: `ids.npy`, `model.safetensors:TENSOR`, `clicks.parquet:COLUMN`."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  (makes NumPy know bfloat16)
import numpy as np

from embcheck.conformance.timing.workloads import own_models
from embcheck.conformance.timing.workloads.own_names import BadInput, Form, chosen, shown

__all__ = ["BadInput", "Read", "read"]


@dataclass(frozen=True)
class Read:
    """An array, and the offsets of its parts where a file holds lists of different lengths."""

    array: np.ndarray
    offsets: np.ndarray | None = None


def read(text: str) -> Read:
    """Read `FILE`, `FILE:NAME`, or `FOLDER:NAME` of a model; raises BadInput."""
    path, name = _split(text)
    if path.is_dir():
        path = own_models.in_folder(path)
    if path.name.endswith(own_models.PICKLES):
        raise own_models.refused_pickle(path)
    reader = next((read for ending, read in _READERS.items() if path.name.endswith(ending)), None)
    if reader is None:
        known = ", ".join(_READERS)
        raise BadInput(f"{path}: '{path.suffix}' files are not read", f"give one of {known}")
    try:
        return reader(path, name)
    except ModuleNotFoundError as error:
        what = f"reading {path} needs {error.name}, which is not installed"
        raise BadInput(what, "pip install 'embcheck[own]'") from None


def _split(text: str) -> tuple[Path, str | None]:
    """Split a text into a path and the name of an array, both of which may hold colons.

    A file is preferred to a folder. Raises BadInput if there is neither.
    """
    # The whole text first, since a path may hold colons; then the part before each colon.
    cuts = [len(text), *(place for place, letter in enumerate(text) if letter == ":")]
    for is_there in (Path.is_file, Path.is_dir):
        for cut in cuts:
            if text[:cut] and is_there(Path(text[:cut])):
                return Path(text[:cut]), text[cut + 1 :] or None
    file = text.rpartition(":")[0] or text
    raise BadInput(f"there is no file {file}", _advice(Path(file)))


def _advice(path: Path) -> str:
    """Say what to give for a file that is not there."""
    beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    near = get_close_matches(path.name, beside, 1, 0.8)
    if near:
        return f"did you mean {path.with_name(shown(near[0]))}?"
    return "give a path, and :NAME after it if needed"


def _npy(path: Path, name: str | None) -> Read:
    if name is not None:
        raise BadInput(f"{path} holds one array without a name", f"leave ':{name}' out")
    return Read(_load(path, lambda: np.load(path, allow_pickle=False)))


def _npz(path: Path, name: str | None) -> Read:
    with _load(path, lambda: np.load(path, allow_pickle=False)) as arrays:
        # An archive is opened without reading its arrays, so either step may find damage.
        return Read(_load(path, lambda: arrays[_chosen_of_npz(path, name, arrays)]))


def _chosen_of_npz(path: Path, name: str | None, arrays: Any) -> str:
    # Headers are read only where a message lists the arrays.
    forms = {} if name in arrays.files else {one: _form(arrays.zip, one) for one in arrays.files}
    known = {one: form for one, form in forms.items() if form is not None}
    return chosen(path, name, "array", arrays.files, known)


def _form(archive: zipfile.ZipFile, name: str) -> Form | None:
    """Return the form of an array in an archive, by its header; None if that is unusual."""
    headers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        with archive.open(f"{name}.npy") as file:
            version = np.lib.format.read_magic(file)
            shape, _, dtype = headers[version](file)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile):
        return None
    return Form(shape, dtype.name)


def _safetensors(path: Path, name: str | None) -> Read:
    return Read(_load(path, lambda: own_models.tensor(path, name)))


def _index(path: Path, name: str | None) -> Read:
    return Read(_load(path, lambda: own_models.tensor_of_index(path, name)))


def _parquet(path: Path, name: str | None) -> Read:
    from pyarrow import parquet  # noqa: PLC0415  (optional)

    schema = _load(path, lambda: parquet.read_schema(path))
    forms = {field.name: Form((), str(field.type)) for field in schema}
    named = chosen(path, name, "column", schema.names, forms)
    column = _load(path, lambda: parquet.read_table(path, columns=[named])[named])
    joined = column.combine_chunks()
    if joined.null_count:
        raise BadInput(
            f"{path}:{shown(named)} has {joined.null_count} nulls", "fill or drop those rows"
        )
    # Only columns of lists have offsets.
    if not hasattr(joined, "offsets"):
        return Read(joined.to_numpy(zero_copy_only=False))
    bounds = joined.offsets.to_numpy()
    values = joined.flatten()
    if values.null_count:
        raise BadInput(f"{path}:{shown(named)} has nulls in its lists", "drop them")
    # The lists of a sliced column need not begin at 0.
    offsets = (bounds[:-1] - bounds[0]).astype(np.int64)
    return Read(values.to_numpy(zero_copy_only=False), offsets)


def _load(path: Path, action: Callable[[], Any]) -> Any:
    """Read something from a file; raises BadInput with the library's message if that fails."""
    try:
        return action()
    except (BadInput, ModuleNotFoundError):
        raise
    except Exception as error:  # noqa: BLE001  (each library has its own)
        said = shown(" ".join(str(error).split()))
        raise BadInput(f"{path} cannot be read: {said}", "write it again") from None


_READERS: dict[str, Callable[[Path, str | None], Read]] = {
    ".npy": _npy,
    ".npz": _npz,
    own_models.FILE: _safetensors,
    own_models.INDEX: _index,
    ".parquet": _parquet,
}
