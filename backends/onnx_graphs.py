"""Lookups as ONNX graphs, which PyTorch's exporters make, kept on disk.

A function of `F` is exported with the weight as an input of the graph; a module, with its weight
inside, drawn with a fixed seed where it is fresh. An exporter sees small valid examples of the
call's dtypes and ranks, with dynamic sizes, and whatever runs the graph gets the call's own arrays,
so that one export serves all calls of a configuration. Only the weight keeps its own size where
PyTorch compares the two at export: beside `padding_idx`, or as a factor of one_hot. A graph cannot
reach the caller's weight, which `max_norm` is to change: `weight_after` shows what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxscript
import torch
from torch import Tensor

from embcheck.backends import graph_cache
from embcheck.backends.torch_names import SPELLINGS, function_of, makes_module, to_array, to_tensor
from embcheck.conformance.contract.backend import Capability, Provided, Provision, Unsupported
from embcheck.conformance.contract.cache import cache_folder
from embcheck.conformance.contract.call import Call, Operation

INFERS = frozenset(Capability) - {
    *(Capability.GRADIENTS, Capability.SPARSE_GRADIENTS, Capability.SHARED_MEMORY),
    *(Capability.TRAINING, Capability.ADAGRAD, Capability.SPARSE_ADAM),
}
"""The capabilities of what runs a graph."""

_OBSERVABLE = {"output", "product", "weight_after", "inputs_after"}

_EXAMPLE_SIZES = {"weight": (5, 7), "offsets": (3,)}

_VERSIONS = [library.__version__ for library in (torch, onnx, onnxscript)]


class Lookup(torch.nn.Module):
    """What is exported; `names` are the call's inputs that the graph takes, in order."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.function = function_of(call.operation)
        self.options = dict(call.options)
        order = ("indices", "weight", "offsets", "per_sample_weights")
        self.names = [name for name in order if name in call.inputs]
        if call.operation is Operation.ONE_HOT and "weight" in self.names:
            self.function = _one_hot_and_product
        elif call.operation.value.endswith("from_pretrained"):
            self.names.remove("weight")
            self._build(to_tensor(call.inputs["weight"]))
        elif makes_module(call.operation):
            self._build()
        self.fixed = {name for name in self.names if _keeps_size(call, name)}
        self.examples = tuple(self._example(name, call.inputs[name]) for name in self.names)

    def _build(self, *arguments: Tensor) -> None:
        """Turn the function, which makes a module, into that module."""
        if "dtype" in self.options:
            self.options["dtype"] = getattr(torch, self.options["dtype"])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.function = self.function(*arguments, **self.options)
        self.options = {}

    def _example(self, name: str, array: np.ndarray) -> Tensor:
        sizes = (*_EXAMPLE_SIZES.get(name, (2, 3)), *[2] * array.ndim)[: array.ndim]
        sizes = array.shape if name in self.fixed else sizes
        return torch.zeros(sizes, dtype=getattr(torch, array.dtype.name))

    def forward(self, indices: Tensor, *others: Tensor) -> Any:
        """Look up."""
        named = dict(zip(self.names[1:], others, strict=True))
        return self.function(indices, **named, **self.options)


Export = Callable[[Lookup], bytes | graph_cache.Refusal]


@dataclass(frozen=True)
class Graph:
    """A graph, the call's arrays in the order of its inputs, and what the caller finds after."""

    model: bytes
    arrays: list[np.ndarray]
    found: Mapping[str, np.ndarray]


def graph_of(call: Call, export: Export) -> Graph:
    """Export a call's lookup, or find its graph on the disk; raises what the exporter raised."""
    for name in call.observe:
        if name not in _OBSERVABLE:
            raise Unsupported(f"a graph for inference has no {name}")
    lookup = Lookup(call).eval()
    inside = {n.rpartition(".")[2]: to_array(p) for n, p in lookup.named_parameters()}
    entry = graph_cache.made_once(
        cache_folder("onnx"), _key(call, lookup, export), lambda: export(lookup)
    )
    if isinstance(entry, graph_cache.Refusal):
        raise entry.error()
    arrays = [call.inputs[name] for name in lookup.names]
    return Graph(entry, arrays, {**inside, **call.inputs})


def named(outputs: list[Any]) -> dict[str, Any]:
    """Name a graph's outputs as observations."""
    return dict(zip(("output", "product"), outputs, strict=False))


def provided(spelling: str) -> dict[Operation, Provided]:
    """Say how each operation is provided; `{}` stands for what PyTorch documents."""
    return {
        operation: Provided(Provision.NATIVE, spelling.format(how))
        for operation, how in SPELLINGS.items()
    }


def _key(call: Call, lookup: Lookup, export: Export) -> str:
    arrays = [to_array(tensor) for tensor in (*lookup.examples, *lookup.parameters())]
    described = [(a.dtype.name, a.shape, sha256(a.tobytes()).hexdigest()) for a in arrays]
    spelling = (call.operation, call.options, lookup.names, described, export.__name__)
    exporters = Path(__file__).with_name("onnx_exporters.py")
    sources = [file.read_text() for file in (Path(__file__), exporters)]
    return graph_cache.key_of(*spelling, _VERSIONS, *sources)


def _one_hot_and_product(indices: Tensor, weight: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
    output = torch.nn.functional.one_hot(indices, **options)
    return output, output.to(weight.dtype) @ weight


def _keeps_size(call: Call, name: str) -> bool:
    compared = call.options.get("padding_idx") is not None or call.operation is Operation.ONE_HOT
    return name == "weight" and compared
