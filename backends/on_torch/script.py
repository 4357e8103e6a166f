"""A call as lines of PyTorch's own API, for every adapter that goes through PyTorch."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from embcheck.backends.composed.lookups import GRADIENTS
from embcheck.backends.on_torch.examples import example_sizes
from embcheck.backends.on_torch.names import SPELLINGS
from embcheck.conformance.contract.backend import Unsupported
from embcheck.conformance.contract.call import Call, Observation, Operation

_FROM_NUMPY = "torch.from_numpy({0})"
_FROM_BITS = "torch.from_numpy({0}.view(np.{1})).view(torch.{2})"
_TO_NUMPY = "{0} = {0}.detach().to_dense().cpu().numpy()"
_TO_BITS = """{0} = {0}.detach().to_dense().cpu()
is_{2} = {0}.dtype is torch.{2}
{0} = {0}.view(torch.{1}).numpy().view(ml_dtypes.{2}) if is_{2} else {0}.numpy()"""
_BITS = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}

_LEAVES = {**GRADIENTS, Observation.TRAINED_WEIGHT: "weight"}
_WRITTEN = frozenset(
    {
        *_LEAVES,
        Observation.OUTPUT,
        Observation.WEIGHT_AFTER,
        Observation.INPUTS_AFTER,
        Observation.TRAINABLE,
        Observation.PRODUCT,
    }
)


def write(call: Call, function: str = "{}", device: str = "cpu") -> str:
    """Write a call; `function` wraps what PyTorch documents, as in `torch.compile({})`.

    `function` may contain `{examples}` for a tuple of example inputs, and `{sizes}` for their
    dynamic sizes.
    """
    require_written(call)
    made = [line for name in call.inputs for line in tensor(call, name, moved_to(device))]
    lines = ["import torch", "", *made, *lookup(call, function, device)]
    return "\n".join([*lines, *derived(call, weight_of(call)), *home(call)])


def moved_to(device: str) -> str:
    """Write how a tensor, `{}`, is moved to a device."""
    return "{}" if device == "cpu" else f"{{}}.to({device!r})"


def require_written(call: Call, written: Collection[str] = _WRITTEN) -> None:
    """Raise Unsupported for a probe, or an observation that is not in `written`."""
    unknown = set(call.observe) - {*written}
    if unknown or call.operation is Operation.PROBE:
        what = ", ".join(sorted(unknown)) or "a probe"
        raise Unsupported(f"no script is written for {what}")


def plain_tensors(call: Call, moved: str = "{}") -> list[str]:
    """Write all of a call's tensors, none of them a leaf of gradients."""
    return [tensor(call, name, moved)[0] for name in call.inputs]


def tensor(call: Call, name: str, moved: str = "{}") -> list[str]:
    """Write one of the call's tensors; `moved` is the code around it, with `{}` for the tensor."""
    dtype = call.inputs[name].dtype.name
    made = (_FROM_BITS if dtype in _BITS else _FROM_NUMPY).format(name, _BITS.get(dtype), dtype)
    leaves = {leaf for observation, leaf in _LEAVES.items() if call.wants(observation)}
    # A module's own parameter requires gradients by itself.
    if name in leaves and (name != "weight" or not call.operation.makes_module):
        return [f"{name} = {moved.format(made)}", f"{name}.requires_grad_()"]
    return [f"{name} = {moved.format(made)}"]


def lookup(call: Call, function: str = "{}", device: str = "cpu") -> list[str]:
    """Write the module, if there is one, and the lookup."""
    made = [module(call, device)] if call.operation.makes_module else []
    if "{examples}" in function:
        return made + _from_examples(call, function, device)
    if made:
        given = ", ".join(["indices", *bags(call)])
        return [*made, f"output = {function.format('module')}({given})"]
    return [f"output = {function.format(SPELLINGS[call.operation])}({arguments(call)})"]


def module(call: Call, device: str = "cpu") -> str:
    """Write how PyTorch makes the module of a call."""
    table = ["weight"] if "weight" in call.inputs else []
    # A module of a given table is where the table is.
    place = [f"device={device!r}"] if device != "cpu" and not table else []
    return f"module = {SPELLINGS[call.operation]}({', '.join([*table, *options(call), *place])})"


def _from_examples(call: Call, function: str, device: str) -> list[str]:
    """Write the call of a program that is made from a module and small valid examples."""
    named = [name for name in ("offsets", "per_sample_weights") if name in call.inputs]
    if call.operation.makes_module:
        # A tracer gives inputs by position, and `offsets` come before the weights.
        made_of, lines, skipped = "module", [], ["None"] if named == ["per_sample_weights"] else []
        names = ["indices", *skipped, *named]
    else:
        table = [] if call.operation is Operation.ONE_HOT else ["weight"]
        names, made_of = ["indices", *table, *named], "Lookup()"
        looked_up = f"{SPELLINGS[call.operation]}({arguments(call)})"
        forward = f"    def forward(self, {', '.join(names)}):"
        lines = ["", "class Lookup(torch.nn.Module):", forward, f"        return {looked_up}", ""]
    examples = _tuple(_example(call, name, device) for name in names)
    sizes = _tuple(_dynamic(call, name) for name in names)
    made = function.format(made_of, examples="examples", sizes="sizes")
    if "{sizes}" in function:
        lines.append(f"sizes = {sizes}")
    lines += [f"examples = {examples}", f"program = {made}"]
    return [*lines, f"output = program({', '.join(names)})"]


def _tuple(parts: Iterable[str]) -> str:
    return f"({', '.join(parts)},)"


def _example(call: Call, name: str, device: str) -> str:
    if name == "None":
        return name
    place = "" if device == "cpu" else f", device={device!r}"
    dtype = call.exported_for.get(name, call.inputs[name].dtype.name)
    return f"torch.zeros({example_sizes(call, name)}, dtype=torch.{dtype}{place})"


def _dynamic(call: Call, name: str) -> str:
    rank = 0 if name == "None" else call.inputs[name].ndim
    sizes = ", ".join(f"{axis}: torch.export.Dim.AUTO" for axis in range(rank))
    return "None" if name == "None" else f"{{{sizes}}}"


def arguments(call: Call) -> str:
    """Write the arguments of a function."""
    table = [] if call.operation is Operation.ONE_HOT else ["weight"]
    return ", ".join(["indices", *table, *bags(call), *options(call)])


def bags(call: Call) -> list[str]:
    """Write the arguments that say how indices are reduced."""
    return [f"{n}={n}" for n in ("offsets", "per_sample_weights") if n in call.inputs]


def options(call: Call) -> list[str]:
    """Write the options."""
    return [f"{name}={_value(name, value)}" for name, value in call.options.items()]


def _value(name: str, value: Any) -> str:
    if name == "dtype":
        return f"torch.{value}"
    return f"float({str(value)!r})" if value in (float("inf"), float("-inf")) else repr(value)


def weight_of(call: Call) -> str:
    """Return the name of the weight, a module's or the caller's own."""
    return "module.weight" if call.operation.makes_module else "weight"


def derived(call: Call, weight: str) -> list[str]:
    """Write the gradients, flags and training step; `weight` is the name of the weight."""
    upstream = "grad_output" if "grad_output" in call.inputs else "torch.ones_like(output)"
    lines = []
    wanted = {name: leaf for name, leaf in GRADIENTS.items() if call.wants(name)}
    if wanted:
        leaves = ", ".join(weight if leaf == "weight" else leaf for leaf in wanted.values())
        # The training step goes back through the same graph.
        retain = ", retain_graph=True" if call.wants(Observation.TRAINED_WEIGHT) else ""
        gradients = f"torch.autograd.grad(output, [{leaves}], {upstream}{retain})"
        lines.append(f"{', '.join(wanted)}, = {gradients}")
    if call.wants(Observation.TRAINABLE):
        lines.append(f"trainable = torch.tensor({weight}.requires_grad)")
    if call.wants(Observation.PRODUCT):
        lines.append(f"product = output.to({weight}.dtype) @ {weight}")
    if call.wants(Observation.TRAINED_WEIGHT):
        lines += [
            f"factor = torch.nn.Parameter({upstream}.clone())",
            f"optimiser = torch.optim.SGD([{weight}, factor], lr=1)",
            "(output * factor).sum().backward()",
            "optimiser.step()",
            f"trained_weight = {weight}",
        ]
    if call.wants(Observation.WEIGHT_AFTER):
        lines.append(f"weight_after = {weight}")
    return lines


def home(call: Call) -> list[str]:
    """Write how the answers become NumPy arrays."""
    shown = [name for name in call.observe if name != Observation.INPUTS_AFTER]
    weight = call.inputs.get("weight")
    exotic = weight is not None and weight.dtype.name in _BITS
    lines = []
    dtype = weight.dtype.name if weight is not None else ""
    for name in dict.fromkeys(["output", *shown]):
        bits = exotic and name != Observation.TRAINABLE and call.operation is not Operation.ONE_HOT
        lines.append((_TO_BITS if bits else _TO_NUMPY).format(name, _BITS.get(dtype), dtype))
    return lines
