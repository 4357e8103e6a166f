"""Tensors from a model: a `.safetensors` file, an index of shards, or their folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from embcheck.conformance.timing.workloads.own_names import BadInput, Form, chosen, shown

FILE = ".safetensors"
INDEX = ".safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
MOST_BYTES = 64 * 1024 * 1024
"""The largest index that is read. Those of the largest models have 10 MB."""
_LOOKED_INTO = 64
"""The most shards that are opened to list the shapes and dtypes of an index's tensors."""
_DTYPES = {
    "BF16": "bfloat16",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "BOOL": "bool",
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}


def in_folder(folder: Path) -> Path:
    """Return the file or index with a model's tensors in its folder; raises BadInput."""
    for name in (f"model{FILE}", f"model{INDEX}"):
        if (folder / name).is_file():
            return folder / name
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for ending in (INDEX, FILE):
        found = [path for path in files if path.name.endswith(ending)]
        if len(found) == 1:
            return found[0]
        if found:
            raise BadInput(f"{folder} has several models", f"name one of {_listed(found)}")
    pickles = [path for path in files if path.name.endswith(PICKLES)]
    if pickles:
        raise refused_pickle(pickles[0])
    has = f"it has {_listed(files)}" if files else "it is empty"
    raise BadInput(f"{folder} has no {FILE} file: {has}", "give the file of the table itself")


def refused_pickle(path: Path) -> BadInput:
    """Say why a pickle is not read, and what to do."""
    command = (
        f"import torch; from safetensors.torch import save_file; "
        f"model = torch.load('{path.name}', weights_only=True); "
        # Tied weights share memory, which `save_file` refuses; their clones do not.
        f"save_file({{name: tensor.clone() for name, tensor in model.items()}}, 'model{FILE}')"
    )
    what = f"{path} is not read: it is a pickle, which can run any code"
    return BadInput(what, f'convert it where you trust it:\n  python -c "{command}"')


def tensor(path: Path, name: str | None) -> np.ndarray:
    """Read a tensor of a `.safetensors` file; raises BadInput, or what the library raises."""
    from safetensors import safe_open  # noqa: PLC0415  (optional)

    with safe_open(path, framework="numpy") as tensors:
        names = list(tensors.keys())
        # The forms of all tensors are read only where a message lists them.
        found = name if name in names else chosen(path, name, "tensor", names, _forms(tensors))
        array: np.ndarray = tensors.get_tensor(found)
        return array


def tensor_of_index(path: Path, name: str | None) -> np.ndarray:
    """Read a tensor out of the shard that an index names for it, and no other shard.

    Raises BadInput, or what the library raises.
    """
    shards = _weight_map(path)
    forms = {} if name in shards else _forms_of_shards(path.parent, shards)
    found = chosen(path, name, "tensor", shards, forms)
    shard = path.parent / shards[found]
    if not shard.is_file():
        what = f"{path} names {shown(shard.name)} for '{shown(found)}', and it is not there"
        raise BadInput(what, f"bring that file to {path.parent}")
    return tensor(shard, found)


def _weight_map(path: Path) -> Mapping[str, str]:
    """Return the name of each tensor's shard; raises BadInput if the file has no such map."""
    with path.open("rb") as file:
        # One byte more than allowed shows that the file is too large, without reading all of it.
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise BadInput(f"{path} is no index of shards: it has over 64 MiB", "name the shard itself")
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        said = f"{type(error).__name__}: {error}"[:200]
        raise BadInput(f"{path} cannot be read: {said}", "write it again") from None
    shards = told.get("weight_map") if isinstance(told, dict) else None
    if not isinstance(shards, dict) or not shards:
        raise BadInput(f"{path} has no weight_map", "name the shard that has the tensor")
    for name, shard in shards.items():
        # A path would let an index name any file that the user can read.
        if not isinstance(shard, str) or shard in ("", ".", "..") or set("/\\\0") & set(shard):
            what = f"{path} names {shown(str(shard))} for '{shown(name)}'"
            raise BadInput(what, "a shard is a file beside its index; name the shard itself")
    return shards


def _forms_of_shards(folder: Path, shards: Mapping[str, str]) -> dict[str, Form]:
    """Return the forms of tensors, as far as their shards are there and can be read."""
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415  (optional)

    forms: dict[str, Form] = {}
    for shard in list(dict.fromkeys(shards.values()))[:_LOOKED_INTO]:
        try:
            with safe_open(folder / shard, framework="numpy") as tensors:
                forms |= _forms(tensors)
        except (OSError, SafetensorError):
            continue  # The message lists less then. Reading a tensor of that shard tells why.
    return forms


def _forms(tensors: Any) -> dict[str, Form]:
    # A slice knows its shape and dtype without its values being read.
    slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
    return {
        name: Form(tuple(one.get_shape()), _DTYPES.get(one.get_dtype(), one.get_dtype()))
        for name, one in slices.items()
    }


def _listed(files: Iterable[Path]) -> str:
    names = [shown(path.name) for path in files]
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more
