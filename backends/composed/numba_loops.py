"""Numba, on plain loops as its users write them; the loops are in `numba_kernels`.

They are compiled by `numba.njit` in its default modes. Its documentation keeps bounds checks for
debugging, so that no index is checked, and a negative one counts from the end; a division by zero
raises, as in Python. Numba keeps what it compiled on disk. It has no gradients.
https://numba.readthedocs.io/en/stable/reference/jit-compilation.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numba
import numpy as np

from embcheck.backends.composed import composition, numba_kernels
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call, Operation

_LOOP = Provided(Provision.COMPOSED, "loops over indices and columns, under numba.njit")

_OBSERVABLE = ("output", "weight_after", "inputs_after")

_REDUCTIONS = {
    "sum": numba_kernels.sum_bags,
    "mean": numba_kernels.average_bags,
    "max": numba_kernels.maximise_bags,
}


class NumbaLoops:
    """Compiled loops on the CPU."""

    info = BackendInfo(
        id="numba",
        library="numba",
        version=numba.__version__,
        operations=dict.fromkeys(
            (Operation.EMBEDDING, Operation.EMBEDDING_BAG, Operation.ONE_HOT), _LOOP
        ),
        capabilities=frozenset({Capability.PER_SAMPLE_WEIGHTS, Capability.INCLUDE_LAST_OFFSET}),
        # Compiled loops check no bounds, and `write_ones` writes wherever an index points.
        fresh_worker_after_bad_index=True,
        survives_fork=True,
    )

    def __init__(self) -> None:
        """Start Numba's compiler here, so that processes forked from this one need not."""
        numba_kernels.look_up(np.zeros((1, 1), np.float32), np.zeros(1, np.int64))

    def prepare(self, call: Call) -> Callable[[], Mapping[str, np.ndarray]]:
        """Return a thunk of the call, after a first run that compiles the code or loads it."""
        function = _function(call)

        # Inside the thunk, since flattening a matrix is part of the call, and is timed.
        def run() -> Mapping[str, np.ndarray]:
            return {"output": function(**composition.arguments(call)), **inputs_after(call.inputs)}

        run()
        return run

    def to_numpy(self, answer: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the answer as it is: its values are NumPy arrays already."""
        return answer

    def script(self, call: Call) -> str:
        """Write the loops of a call."""
        written = composition.script(call, "import numba", _function(call))
        # `compiled` also names a cache on disk, which changes no answer.
        return written.replace("@compiled", "@numba.njit")


def _function(call: Call) -> Callable[..., np.ndarray]:
    """Return the function of a call; raise Unsupported if there is none."""
    if call.operation is Operation.EMBEDDING:
        composition.expect_only(call, "the loop", (), _OBSERVABLE)
        return numba_kernels.look_up
    if call.operation is Operation.ONE_HOT:
        composition.expect_only(call, "the loop", ("num_classes",), _OBSERVABLE)
        if call.option("num_classes") == -1:
            raise Unsupported("the loop is told how many classes there are")
        return numba_kernels.one_hot
    if call.operation is not Operation.EMBEDDING_BAG:
        raise Unsupported(f"no loop is written for {call.operation}")
    composition.expect_only(call, "the loop", composition.BAG_OPTIONS, _OBSERVABLE)
    composition.expect_bounds(call)
    reduction = _REDUCTIONS[composition.expect_mode(call, _REDUCTIONS)]
    is_weighted = "per_sample_weights" in call.inputs
    return numba_kernels.sum_weighted_bags if is_weighted else reduction
