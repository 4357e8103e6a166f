"""A call as lines of PyTorch's exporters and of what runs their graphs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from embcheck.backends.onnx_graphs import Export
from embcheck.backends.torch_inference import Lookup
from embcheck.backends.torch_names import SPELLINGS, makes_module
from embcheck.conformance.contract.backend import Unsupported
from embcheck.conformance.contract.call import Call, Operation

_WRITTEN = {"output", "product", "inputs_after"}

_DYNAMO = """\
sizes = ({sizes})
program = torch.onnx.export(lookup, examples, dynamo=True, dynamic_shapes=sizes)
model = program.model_proto.SerializeToString()"""

_TORCHSCRIPT = """\
sizes = {{{sizes}}}
file = io.BytesIO()
names = {names}
torch.onnx.export(lookup, examples, file, dynamo=False, input_names=names, dynamic_axes=sizes)
model = file.getvalue()"""

SESSION = """\
session = onnxruntime.InferenceSession(model, providers=[{provider!r}])
names = [node.name for node in session.get_inputs()]
outputs = session.run(None, dict(zip(names, arrays, strict=True)))"""

EVALUATOR = """\
evaluator = ReferenceEvaluator(model)
outputs = evaluator.run(None, dict(zip(evaluator.input_names, arrays, strict=True)))"""


def spelling(export: Export) -> str:
    """Say what an exporter is given; `{}` stands for what PyTorch documents."""
    return f"torch.onnx.export of {{}}, dynamo={_is_dynamo(export)}"


def write(call: Call, export: Export, imports: Sequence[str], run: str) -> str:
    """Write a call; `run` are the lines that give the graph `model` the `arrays`."""
    unknown = set(call.observe) - _WRITTEN
    if unknown or call.operation is Operation.PROBE:
        what = ", ".join(sorted(unknown)) or "a probe"
        raise Unsupported(f"no script is written for {what}")
    lookup = Lookup(call)
    sizes = [_sizes(lookup, name, export) for name in lookup.names]
    needed = ["import torch", "from torch.export import Dim"]
    if not _is_dynamo(export):
        sizes = [f"{name!r}: {size}" for name, size in zip(lookup.names, sizes, strict=True)]
        needed = ["import io", "import torch"]
    exported = _DYNAMO if _is_dynamo(export) else _TORCHSCRIPT
    lines = [
        *sorted([*needed, *imports], key=lambda line: (line.startswith("from"), line)),
        "",
        "",
        *_module(call, lookup.names),
        "",
        "",
        "torch.manual_seed(0)",
        "lookup = Lookup().eval()",
        f"examples = {_tuple(_example(lookup, name) for name in lookup.names)}",
        exported.format(sizes=f"{', '.join(sizes)},", names=lookup.names),
        f"arrays = {_tuple(lookup.names)}",
        run,
    ]
    names = [name for name in ("output", "product") if call.wants(name)]
    return "\n".join([*lines, *[f"{name} = outputs[{i}]" for i, name in enumerate(names)]])


def _is_dynamo(export: Export) -> bool:
    return export.__name__ == "dynamo"


def _tuple(parts: Any) -> str:
    return f"({', '.join(parts)},)"


def _example(lookup: Lookup, name: str) -> str:
    example = lookup.examples[lookup.names.index(name)]
    return f"torch.zeros({tuple(example.shape)}, dtype={example.dtype})"


def _sizes(lookup: Lookup, name: str, export: Export) -> str:
    rank = lookup.examples[lookup.names.index(name)].ndim
    if _is_dynamo(export):
        mark = "Dim.STATIC" if name in lookup.fixed else "Dim.DYNAMIC"
        return f"{{{', '.join(f'{axis}: {mark}' for axis in range(rank))}}}"
    return repr({axis: f"{name}_{axis}" for axis in range(rank) if name not in lookup.fixed})


def _module(call: Call, names: Sequence[str]) -> list[str]:
    """Write the module that is exported; it holds another where PyTorch documents a module."""
    options = [f"{name}={_value(name, value)}" for name, value in call.options.items()]
    lines = ["class Lookup(torch.nn.Module):"]
    function, given = SPELLINGS[call.operation], ["indices"]
    if makes_module(call.operation):
        table = [_tensor(call)] if "weight" in call.inputs else []
        made = f"{function}({', '.join([*table, *options])})"
        lines += [
            *("    def __init__(self):", "        super().__init__()"),
            *(f"        self.function = {made}", ""),
        ]
        function, options = "self.function", []
    elif call.operation is not Operation.ONE_HOT:
        given.append("weight")
    bags = [f"{name}={name}" for name in names if name in ("offsets", "per_sample_weights")]
    lines.append(f"    def forward(self, {', '.join(names)}):")
    looked_up = f"{function}({', '.join([*given, *bags, *options])})"
    if call.wants("product"):
        lines.append(f"        output = {looked_up}")
        return [*lines, "        return output, output.to(weight.dtype) @ weight"]
    return [*lines, f"        return {looked_up}"]


def _tensor(call: Call) -> str:
    dtype = call.inputs["weight"].dtype
    if dtype.isbuiltin == 1:
        return "torch.from_numpy(weight)"
    return f"torch.from_numpy(weight.view('u{dtype.itemsize}')).view(torch.{dtype.name})"


def _value(name: str, value: Any) -> str:
    if name == "dtype":
        return f"torch.{value}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    return repr(value)
