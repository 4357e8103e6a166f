"""A call as lines of JAX's own API, for every way of looking up rows with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from embcheck.conformance.contract.backend import Unsupported
from embcheck.conformance.contract.call import Call, Observation, Operation

_SEGMENT_NUMBERS = [
    "sizes = jnp.diff(offsets)",
    "bags = jnp.zeros(len(rows), int).at[offsets].add(1).cumsum() - 1",
]
_SEGMENTS = "jax.ops.segment_{0}(rows, bags, num_segments=len(sizes))"
_SEGMENT_REDUCTIONS = {
    "sum": _SEGMENTS.format("sum"),
    "mean": _SEGMENTS.format("sum") + " / sizes[:, None]",
    "max": _SEGMENTS.format("max"),
}

_DERIVED = {
    Observation.GRAD_WEIGHT: "({output} * {upstream}).sum()",
    Observation.GRAD_PER_SAMPLE_WEIGHTS: "({output} * {upstream}).sum()",
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE: "jnp.square({weight}).sum() + {output}.sum()",
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE: (
        "jnp.square(jnp.copy({weight})).sum() + {output}.sum()"
    ),
}
"""The sums whose gradients are wanted."""

_OPTIMISERS = {
    Observation.TRAINED_WEIGHT: "optax.sgd(1.0)",
    Observation.WEIGHT_TRAINED_BY_ADAGRAD: (
        "optax.adagrad(1.0, initial_accumulator_value=0.0, eps=1e-10)"
    ),
}

_WRITTEN = frozenset(
    {
        *_DERIVED,
        *_OPTIMISERS,
        Observation.OUTPUT,
        Observation.PRODUCT,
        Observation.INPUTS_AFTER,
        Observation.WEIGHT_AFTER,
    }
)


@dataclass(frozen=True)
class Written:
    """How a way of looking up rows is written; `rows` gives an expression over `indices`."""

    rows: Callable[[Call], str]
    imports: tuple[str, ...] = ()
    setting: tuple[str, ...] = ()
    place: Callable[[Call, str], str] = lambda _, name: f"jnp.asarray({name})"
    table: Callable[[Call], str] | None = None
    """Gives the code of the module that holds the weight; None if `rows` reads `weight` itself."""
    wide: bool = True
    """Whether 64-bit dtypes are kept; JAX's default is not."""
    weight: str = "weight"
    """The expression of the weight in the table."""
    train: tuple[str, ...] = ()
    """Makes `trained` from `table`, its `gradient` and `{optimiser}`; empty if nothing trains."""


def write(call: Call, way: Written) -> str:
    """Write a call; raise Unsupported for an observation that cannot be written."""
    unknown = set(call.observe) - _WRITTEN
    if unknown:
        raise Unsupported(f"no script is written for {', '.join(sorted(unknown))}")
    lines = ["import jax", "import jax.numpy as jnp", *way.imports, ""]
    lines += ['jax.config.update("jax_enable_x64", True)'] if way.wide else []
    lines += way.setting
    lines += [f"{name} = {way.place(call, name)}" for name in call.inputs]
    if way.table is not None:
        lines.append(f"table = {way.table(call)}")
    called = f"look_up({', '.join(_arguments(call, way))})"
    function = [f"def {called}:", *(f"    {line}" for line in _body(call, way))]
    lines += ["", "@jax.jit", *function, "", f"output = {called}"]
    return "\n".join([*lines, *_derived(call, way, called), *_home(call, way)])


def _arguments(call: Call, way: Written) -> list[str]:
    if call.operation is Operation.ONE_HOT:
        return ["indices"]
    names = [name for name in call.inputs if name not in ("weight", "grad_output")]
    return ["weight" if way.table is None else "table", *names]


def _body(call: Call, way: Written) -> list[str]:
    if call.operation is Operation.ONE_HOT:
        classes = call.options["num_classes"]
        return [f"return jax.nn.one_hot(indices, {classes}, dtype=jnp.int64)"]
    rows = way.rows(call)
    if not call.operation.is_bag:
        return [f"return {rows}"]
    factors = " * per_sample_weights[..., None]" if "per_sample_weights" in call.inputs else ""
    mode = call.option("mode")
    lines = [f"rows = {rows}{factors}"]
    if "offsets" not in call.inputs:
        return [*lines, f"return jnp.{mode}(rows, axis=1)"]
    if not call.option("include_last_offset"):
        lines.append("offsets = jnp.append(offsets, len(rows))")
    lines += _SEGMENT_NUMBERS
    return [*lines, f"return {_SEGMENT_REDUCTIONS[mode]}"]


def _derived(call: Call, way: Written, called: str) -> list[str]:
    """Write the gradients and the training step."""
    table = "weight" if way.table is None else "table"
    upstream = "grad_output" if "grad_output" in call.inputs else "jnp.ones_like(output)"
    # The gradient of a module is a module, with its weight in the same place.
    home = way.weight.removeprefix(table)
    lines = []
    for observation, total in _DERIVED.items():
        if call.wants(observation):
            of_bags = observation is Observation.GRAD_PER_SAMPLE_WEIGHTS
            leaf, part = ("per_sample_weights", "") if of_bags else (table, home)
            term = total.format(output=called, upstream=upstream, weight=way.weight)
            lines.append(f"{observation} = jax.grad(lambda {leaf}: {term})({leaf}){part}")
    for observation, optimiser in _OPTIMISERS.items():
        if call.wants(observation):
            # Only modules train, so `table` exists here.
            lines.append(f"gradient = jax.grad(lambda table: ({called} * {upstream}).sum())(table)")
            lines += [line.format(optimiser=optimiser) for line in way.train]
            lines.append(f"{observation} = {way.weight.replace('table', 'trained')}")
    if call.wants(Observation.PRODUCT):
        lines.append("product = output.astype(weight.dtype) @ weight")
    return lines


def _home(call: Call, way: Written) -> list[str]:
    """Write how the answers become NumPy arrays."""
    shown = [n for n in call.observe if n not in ("inputs_after", "weight_after")]
    lines = [f"{name} = np.asarray({name})" for name in dict.fromkeys(["output", *shown])]
    if call.wants(Observation.WEIGHT_AFTER):
        lines.append(f"weight_after = np.asarray({way.weight})")
    return lines
