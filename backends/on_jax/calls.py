"""The adapter for every way of looking up rows with JAX; `observe` has its observations."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np

from embcheck.backends.composed import composition
from embcheck.backends.composed.answers import brought_home
from embcheck.backends.on_jax import script
from embcheck.backends.on_jax.observe import (
    REDUCTIONS,
    Answer,
    Arrays,
    Spelling,
    Way,
    finished,
    look_up,
    observe,
)
from embcheck.backends.on_jax.spellings import CHECKED, checked
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unavailable,
    Unsupported,
)
from embcheck.conformance.contract.call import (
    TRAINING_OBSERVATIONS,
    Call,
    Observation,
    Operation,
)

config: Any = jax.config

WIDE = {"jax_enable_x64": "True; the default is False"}
BAGS = Capability.PER_SAMPLE_WEIGHTS, Capability.INCLUDE_LAST_OFFSET
TRAINED = Capability.TRAINING, Capability.ADAGRAD


def bags_of(rows: str) -> dict[Operation, Provided]:
    """Describe how a lookup, spelled `rows`, and the bags composed from it are provided."""
    reduction = (
        "then jnp.sum, mean or max, or with offsets jax.ops.segment_sum or segment_max "
        "over jnp.zeros(len(indices), int).at[offsets].add(1).cumsum() - 1"
    )
    return {
        Operation.EMBEDDING: Provided(Provision.NATIVE, rows),
        Operation.EMBEDDING_BAG: Provided(Provision.COMPOSED, f"{rows}, {reduction}"),
    }


def info_of(
    name: str,
    device: str,
    operations: Mapping[Operation, Provided],
    made_from: str | None = None,
) -> BackendInfo:
    """Return the info of one of JAX's own ways of looking up rows."""
    return BackendInfo(
        id=name,
        library="jax",
        modules=("jax", "jaxlib"),
        version=jax.__version__,
        device=device,
        operations=operations,
        capabilities=frozenset({Capability.GRADIENTS, *BAGS}),
        made_from=made_from,
    )


def use_cuda() -> str:
    """Make JAX work on the GPU, and return that device; raise Unavailable without one."""
    # JAX would take three quarters of the GPU's memory at once, which other backends need too:
    # https://docs.jax.dev/en/latest/gpu_memory_allocation.html
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    # The workers' environment says JAX_PLATFORMS=cpu.
    config.update("jax_platforms", "cuda,cpu")
    try:
        jax.devices("cuda")
    except RuntimeError as error:
        raise Unavailable(f"jax {jax.__version__}: {error}") from None
    return "cuda"


class JaxCalls:
    """The adapter for one way of looking up rows."""

    def __init__(self, info: BackendInfo, way: Way) -> None:
        config.update("jax_enable_x64", way.written.wide)
        self.info, self._way = replace(info, settings=WIDE if way.written.wide else {}), way

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Move the inputs, and return a thunk of the call; jit compiles in a first run here."""
        spelling = self._spell(call)
        arrays, found = self._arrays(call)
        # Timings ask for the output alone: nothing else is compiled with it.
        if call.observe == (Observation.OUTPUT,):
            run = partial(look_up, arrays, spelling)
            finished(run())
            return lambda: ({"output": finished(run())}, found)
        show = partial(observe, arrays, spelling, call.observe)
        finished(show())
        return lambda: (finished(show()), found)

    def spellings(self, call: Call) -> dict[str, Callable[[], Answer]]:
        """Return the call with JAX's own checks of indices; nothing for one_hot."""
        spelling = self._spell(call)
        if call.operation is Operation.ONE_HOT:
            return {}
        arrays, found = self._arrays(call)
        show = partial(observe, spelling=spelling, wanted=call.observe)
        if "offsets" not in call.inputs:
            run = checked(show)
            return {CHECKED: lambda: (run(arrays), found)}
        # With offsets only the lookup is checked. Bags are numbered by an update beyond the end,
        # which JAX drops but the checks would refuse.
        rows = checked(lambda given: self._way.look_up(given["weight"], given["indices"]))

        def check_and_run() -> Answer:
            rows(arrays)
            return finished(show(arrays)), found

        return {CHECKED: check_and_run}

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """View the arrays as NumPy arrays."""
        return brought_home(answer, np.asarray)

    def script(self, call: Call) -> str:
        """Write a call as JAX users would."""
        self._spell(call)
        return script.write(call, self._way.written)

    def _arrays(self, call: Call) -> tuple[Arrays, Arrays]:
        """Return the arrays of a call, with its table, and those the caller finds afterwards."""
        way = self._way
        arrays: Arrays = {name: way.place(name, array) for name, array in call.inputs.items()}
        if call.operation is Operation.ONE_HOT:
            return arrays, arrays if call.wants_inputs else {}
        table = way.make_table(call, arrays.get("weight"))
        # The lookup takes a module, but the caller finds the array that it holds.
        found = {**arrays, "weight": way.weight_of(table)} if call.wants_inputs else {}
        return {**arrays, "weight": table}, found

    def _spell(self, call: Call) -> Spelling:
        """Return what a call fixes for jit; raise Unsupported for what JAX has no spelling for."""
        if call.operation not in self.info.operations:
            raise Unsupported(f"{self.info.id} has no {call.operation}")
        composition.expect_only(call, self.info.library, self._way.options, {*Observation})
        _check_training(call, self._way)
        spelling = Spelling(
            self._way,
            call.operation,
            call.option("mode"),
            call.option("include_last_offset"),
            call.option("num_classes"),
        )
        if call.operation is Operation.ONE_HOT and spelling.num_classes == -1:
            raise Unsupported("jax.nn.one_hot does not infer num_classes")
        if call.operation.is_bag:
            composition.expect_mode(call, REDUCTIONS)
        return spelling


def _check_training(call: Call, way: Way) -> None:
    if call.wants(Observation.TRAINABLE):
        raise Unsupported("JAX trains what it is told to: no flag of a weight says whether")
    if call.wants(*TRAINING_OBSERVATIONS) and way.train is None:
        raise Unsupported("JAX has no optimiser")
    if call.wants(Observation.WEIGHT_TRAINED_BY_SPARSE_ADAM):
        raise Unsupported("Optax has no Adam for sparse gradients")
    if call.is_frozen and call.wants(*TRAINING_OBSERVATIONS, Observation.GRAD_WEIGHT):
        raise Unsupported("JAX trains what it is told to: no module freezes its own weight")
