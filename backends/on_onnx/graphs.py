"""Lookups as ONNX graphs, which PyTorch's exporters make, cached on disk.

An exporter sees examples with dynamic sizes, and a runtime gets the call's own arrays. So one
export serves all calls of a configuration, in every runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxscript
import torch

from embcheck.backends.on_torch import inference
from embcheck.backends.on_torch.inference import Exported, exported
from embcheck.conformance.contract.cache import cache_folder
from embcheck.conformance.contract.call import Call
from embcheck.conformance.contract.export_cache import Refusal, key_of, made_once
from embcheck.conformance.contract.help import helps

Export = Callable[[Exported], bytes | Refusal]

_VERSIONS = [library.__version__ for library in (torch, onnx, onnxscript)]

# The text of these files is part of the cache key, since they decide what is exported.
_SOURCES = [
    Path(inference.__file__).read_text(),
    Path(__file__).with_name("exporters.py").read_text(),
]


@dataclass(frozen=True)
class Graph:
    """A graph, the arrays in the order of its inputs, and what the caller finds afterwards."""

    model: bytes
    arrays: list[np.ndarray]
    found: Mapping[str, np.ndarray]


def graph_of(call: Call, export: Export, sources: Sequence[Path] = ()) -> Graph:
    """Export a call's lookup, or find its graph on disk; raise the exporter's error, if any."""
    lookup = exported(call)
    key = _key(call, lookup, export, sources)
    # A tracer runs the module, and `max_norm` would then change the caller's table.
    if call.option("max_norm") is not None and call.operation.makes_module:
        helps("exports a copy of the module, whose table the tracer would renormalise")
    entry = made_once(cache_folder("onnx"), key, lambda: export(deepcopy(lookup)))
    if isinstance(entry, Refusal):
        raise entry.error()
    return Graph(entry, [call.inputs[name] for name in lookup.names], lookup.found(call))


def _key(call: Call, lookup: Exported, export: Export, sources: Sequence[Path]) -> str:
    spelling = (call.operation, call.options, lookup.names, lookup.described, export.__name__)
    texts = [*_SOURCES, *(source.read_text() for source in sources)]
    return key_of(*spelling, _VERSIONS, *texts)
