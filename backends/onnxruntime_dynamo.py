"""ONNX Runtime, on graphs from `torch.onnx.export(..., dynamo=True)`, the exporter in PyTorch.

A function of `F` is exported with the weight as an input of the graph; a module, with its weight
inside, drawn with a fixed seed where it is fresh. The exporter sees small valid examples of the
call's dtypes and ranks, with dynamic sizes, and the session gets the call's own arrays, so that
one export, kept on disk, serves all calls of a configuration. Only the weight keeps its own size
where PyTorch compares the two at export: beside `padding_idx`, or as a factor of one_hot. A graph
cannot reach the caller's weight, which `max_norm` is to change: `weight_after` shows what it is.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import onnxscript
import torch
from onnxruntime import OrtValue
from torch import Tensor
from torch.export import Dim

from embcheck.backends import graph_cache
from embcheck.backends.torch_names import SPELLINGS, function_of, makes_module, to_array, to_tensor
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.cache import cache_folder
from embcheck.conformance.contract.call import Call, Operation

Answer = tuple[list[Any], Mapping[str, np.ndarray]]
"""The graph's outputs, and the arrays that the caller finds after the call."""

_LACKING = {
    *(Capability.GRADIENTS, Capability.SPARSE_GRADIENTS, Capability.SHARED_MEMORY),
    *(Capability.TRAINING, Capability.ADAGRAD, Capability.SPARSE_ADAM),
}

_OBSERVABLE = {"output", "product", "weight_after", "inputs_after"}

_EXAMPLE_SIZES = {"weight": (5, 7), "offsets": (3,)}

_VERSIONS = [library.__version__ for library in (torch, onnx, onnxscript, onnxruntime)]


class _Lookup(torch.nn.Module):
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

    def _build(self, *arguments: Tensor) -> None:
        """Turn the function, which makes a module, into that module."""
        if "dtype" in self.options:
            self.options["dtype"] = getattr(torch, self.options["dtype"])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.function = self.function(*arguments, **self.options)
        self.options = {}

    def forward(self, indices: Tensor, *others: Tensor) -> Any:
        """Look up."""
        named = dict(zip(self.names[1:], others, strict=True))
        return self.function(indices, **named, **self.options)


class OnnxRuntimeDynamo:
    """ONNX Runtime on the CPU, for what PyTorch's dynamo exporter makes of a lookup."""

    def __init__(self) -> None:
        self.info = BackendInfo(
            id="onnxruntime-dynamo",
            library="onnxruntime",
            version=onnxruntime.__version__,
            operations={
                operation: Provided(Provision.NATIVE, f"torch.onnx.export of {how}, dynamo=True")
                for operation, how in SPELLINGS.items()
            },
            capabilities=frozenset(Capability) - _LACKING,
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Export the lookup or find its graph, and bind the call's arrays to its inputs."""
        for name in call.observe:
            if name not in _OBSERVABLE:
                raise Unsupported(f"a graph for inference has no {name}")
        lookup = _Lookup(call).eval()
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(
            _graph(call, lookup), options, providers=["CPUExecutionProvider"]
        )
        values = [_to_ort_value(call.inputs[name]) for name in lookup.names]
        feeds = dict(zip([node.name for node in session.get_inputs()], values, strict=True))
        inside = {n.rpartition(".")[2]: to_array(p) for n, p in lookup.named_parameters()}
        found = {**inside, **call.inputs}
        return lambda: (session.run_with_ort_values(None, feeds), found)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Copy the outputs out of the session's memory."""
        outputs, found = answer
        names = ("output", "product")[: len(outputs)]
        return {**inputs_after(found), **dict(zip(names, map(_to_numpy, outputs), strict=True))}


def _graph(call: Call, lookup: _Lookup) -> bytes:
    """Return the graph, from the disk if it is there; raises what the exporter raised."""
    folder, examples = cache_folder("onnx"), _examples(call, lookup)
    arrays = [to_array(tensor) for tensor in (*examples, *lookup.parameters())]
    described = [(a.dtype.name, a.shape, sha256(a.tobytes()).hexdigest()) for a in arrays]
    spelling = (call.operation, call.options, lookup.names, described)
    key = graph_cache.key_of(*spelling, _VERSIONS, Path(__file__).read_text())
    entry = graph_cache.load(folder, key)
    if entry is None:
        entry = _export(lookup, examples, _dynamic_shapes(call, lookup))
        graph_cache.store(folder, key, entry)
    if isinstance(entry, graph_cache.Refusal):
        raise entry.error()
    return entry


def _export(lookup: _Lookup, examples: list[Tensor], sizes: Any) -> bytes | graph_cache.Refusal:
    """Export; the exporter's own message tells how to debug it, its cause what was wrong."""
    try:
        program: Any = torch.onnx.export(
            lookup, tuple(examples), dynamo=True, verbose=False, dynamic_shapes=sizes
        )
    except torch.onnx.OnnxExporterError as error:
        return graph_cache.Refusal(type(error).__name__, str(error.__cause__ or error))
    return bytes(program.model_proto.SerializeToString())


def _one_hot_and_product(indices: Tensor, weight: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
    output = torch.nn.functional.one_hot(indices, **options)
    return output, output.to(weight.dtype) @ weight


def _keeps_size(call: Call, name: str) -> bool:
    compared = call.options.get("padding_idx") is not None or call.operation is Operation.ONE_HOT
    return name == "weight" and compared


def _examples(call: Call, lookup: _Lookup) -> list[Tensor]:
    examples = []
    for name in lookup.names:
        array = call.inputs[name]
        sizes = (*_EXAMPLE_SIZES.get(name, (2, 3)), *[2] * array.ndim)[: array.ndim]
        sizes = array.shape if _keeps_size(call, name) else sizes
        examples.append(torch.zeros(sizes, dtype=getattr(torch, array.dtype.name)))
    return examples


def _dynamic_shapes(call: Call, lookup: _Lookup) -> Any:
    """Mark every size as dynamic or static, in the structure of `forward`'s arguments."""
    indices, *others = (
        dict.fromkeys(
            range(call.inputs[name].ndim), Dim.STATIC if _keeps_size(call, name) else Dim.DYNAMIC
        )
        for name in lookup.names
    )
    return (indices, tuple(others)) if others else (indices,)


def _to_ort_value(array: np.ndarray) -> Any:
    if array.dtype.isbuiltin == 1:
        return OrtValue.ortvalue_from_numpy(array)
    # OrtValue takes these dtypes only from contiguous memory.
    dtype = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return OrtValue.ortvalue_from_numpy_with_onnx_type(np.asarray(array, order="C"), dtype)


def _to_numpy(value: Any) -> np.ndarray:
    """Copy a tensor's bytes, since `OrtValue.numpy` knows no bfloat16."""
    memory = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    dtype = onnx.helper.tensor_dtype_to_np_dtype(value.element_type())
    return np.frombuffer(memory, dtype).reshape(value.shape())
