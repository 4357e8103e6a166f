"""A call as PyTorch code that makes a module and examples, for exporters and converters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from embcheck.backends.on_torch.inference import Exported, exported
from embcheck.backends.on_torch.names import SPELLINGS
from embcheck.conformance.contract.backend import Unsupported
from embcheck.conformance.contract.call import Call, Operation

_OUTPUTS = ("output", "product")
"""The outputs of an exported lookup, in order; there is no product without an output."""

_WRITTEN = {*_OUTPUTS, "inputs_after"}


def lookup_of(call: Call) -> Exported:
    """Return the lookup to export; raise Unsupported for a call that cannot be written."""
    unknown = set(call.observe) - _WRITTEN
    if unknown or call.operation is Operation.PROBE:
        what = ", ".join(sorted(unknown)) or "a probe"
        raise Unsupported(f"no script is written for {what}")
    return exported(call)


def write(call: Call, lookup: Exported, imports: Sequence[str], run: str) -> str:
    """Write a call; `run` is lines that make `outputs` from `lookup`, `examples` and `arrays`."""
    lines = [
        # `import` before `from`, as formatters have it.
        *sorted(["import torch", *imports], key=lambda line: (line.startswith("from"), line)),
        "",
        "",
        *_module(call, lookup.names),
        "",
        "",
        "torch.manual_seed(0)",
        "lookup = Lookup().eval()",
        f"examples = {_tuple(map(_example, lookup.examples))}",
        f"arrays = {_tuple(lookup.names)}",
        run,
    ]
    places = [(name, place) for place, name in enumerate(_OUTPUTS) if call.wants(name)]
    return "\n".join([*lines, *[f"{name} = outputs[{place}]" for name, place in places]])


def _tuple(parts: Any) -> str:
    return f"({', '.join(parts)},)"


def _example(example: Any) -> str:
    return f"torch.zeros({tuple(example.shape)}, dtype={example.dtype})"


def _module(call: Call, names: Sequence[str]) -> list[str]:
    """Write the module to export; it holds another module if PyTorch documents one for the call."""
    options = [f"{name}={_value(name, value)}" for name, value in call.options.items()]
    lines = ["class Lookup(torch.nn.Module):"]
    function, given = SPELLINGS[call.operation], ["indices"]
    if call.operation.makes_module:
        table = [_tensor(call)] if "weight" in call.inputs else []
        made = f"{function}({', '.join([*table, *options])})"
        lines += [
            *("    def __init__(self):", "        super().__init__()"),
            *(f"        self.function = {made}", ""),
        ]
        # The module was made with the options, and its call takes none.
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
        # The repr of an infinite float is no Python.
        return f"float({str(value)!r})"
    return repr(value)
