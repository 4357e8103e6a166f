"""A call as lines of PyTorch's function transforms."""

from __future__ import annotations

from embcheck.backends.composed.lookups import GRADIENTS
from embcheck.backends.on_torch import script
from embcheck.backends.on_torch.names import SPELLINGS
from embcheck.conformance.contract.call import Call, Observation, Operation

_WRITTEN = {*GRADIENTS, "output", "product", "weight_after", "inputs_after"}
MAPPED = ("indices", "per_sample_weights")
"""The inputs that `vmap` maps over; all others are the same for each lookup."""


def write(call: Call, device: str = "cpu") -> str:
    """Write a call by `functional_call`, `vmap` and `vjp`."""
    script.require_written(call, _WRITTEN)
    names = _names(call)
    made = script.plain_tensors(call, script.moved_to(device))
    lines = ["import torch", "", *made]
    if call.operation.makes_module:
        lines += [script.module(call, device), "weight = module.weight.detach()"]
    lines += ["", "", *_function(call, names), "", "", *_called(call, names)]
    if call.wants(Observation.PRODUCT):
        lines.append("product = output.to(weight.dtype) @ weight")
    if call.wants(Observation.WEIGHT_AFTER):
        lines.append("weight_after = weight")
    return "\n".join([*lines, *script.home(call)])


def _names(call: Call) -> list[str]:
    order = ["indices", "weight", "offsets", "per_sample_weights"]
    has_table = call.operation.makes_module or (
        "weight" in call.inputs and call.operation is not Operation.ONE_HOT
    )
    return [name for name in order if (has_table if name == "weight" else name in call.inputs)]


def _function(call: Call, names: list[str]) -> list[str]:
    """Write the lookup as a function of its tensors; if bags are mapped, it takes one bag."""
    is_one_bag = _is_mapped(call) and call.operation.is_bag
    lines = [f"def look_up({', '.join(names)}):"]
    if is_one_bag:
        # As in `func`: a mapped bag becomes a matrix of one row, which needs no offsets.
        lines += [f"    {name} = {name}.unsqueeze(0)" for name in MAPPED if name in names]
    named = ", ".join(f"{n!r}: {n}" for n in ("offsets", "per_sample_weights") if n in names)
    if call.operation.makes_module:
        given = f'{{"weight": weight}}, (indices,), {{{named}}}'
        looked_up = f"torch.func.functional_call(module, {given})"
    else:
        looked_up = f"{SPELLINGS[call.operation]}({script.arguments(call)})"
    return [*lines, f"    return {looked_up}{'.squeeze(0)' if is_one_bag else ''}"]


def _is_mapped(call: Call) -> bool:
    return call.inputs["indices"].ndim > 1


def _called(call: Call, names: list[str]) -> list[str]:
    function = "look_up"
    if _is_mapped(call):
        mapped = ", ".join("0" if name in MAPPED else "None" for name in names)
        function = f"torch.vmap(look_up, in_dims=({mapped},))"
    given = ", ".join(names)
    sources = {gradient: name for gradient, name in GRADIENTS.items() if call.wants(gradient)}
    if not sources:
        return [f"output = {function}({given})"]
    primals = ", ".join(sources.values())
    upstream = "grad_output" if "grad_output" in call.inputs else "torch.ones_like(output)"
    return [
        f"mapped = {function}",
        f"output, pull_back = torch.func.vjp(lambda {primals}: mapped({given}), {primals})",
        f"{', '.join(sources)}, = pull_back({upstream})",
    ]
