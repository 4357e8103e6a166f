"""CuPy on a GPU of NVIDIA: `cupy.take(weight, indices, axis=0)`.

CuPy has no bags. The bag of a row is found by `cupy.searchsorted` in the bounds, and the rows go
where `cupyx.scatter_add` or `scatter_max` put them; what lies before the first bag or behind the
last one goes to rows of its own, which are cut off. Means divide the sums in place by the sizes.
CuPy documents that indices out of bounds wrap around. It has no gradients.
https://docs.cupy.dev/en/stable/user_guide/difference.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cupy
import cupyx
import numpy as np

from embcheck.backends.composed import composition, script
from embcheck.backends.composed.answers import brought_home
from embcheck.backends.composed.lookups import Lookups
from embcheck.backends.composed.script import Language
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unavailable,
)
from embcheck.conformance.contract.call import Call, Operation

Arrays = dict[str, Any]
Answer = tuple[Arrays, Arrays]
"""The observations, and the arrays that the caller finds after the call."""

_OBSERVABLE = ("output", "weight_after", "inputs_after")

_OPERATIONS = {
    Operation.EMBEDDING: Provided(Provision.NATIVE, "cupy.take(weight, indices, axis=0)"),
    Operation.EMBEDDING_BAG: Provided(
        Provision.COMPOSED,
        "cupy.take, then sum, mean or max(axis=1), or with offsets cupyx.scatter_add or "
        "scatter_max, where bags = cupy.searchsorted(offsets, cupy.arange(n), side='right')",
    ),
}

_OPTIONS = {Operation.EMBEDDING: (), Operation.EMBEDDING_BAG: composition.BAG_OPTIONS}


def look_up(weight: Any, indices: Any) -> Any:
    """Take the row of each index."""
    return cupy.take(weight, indices, axis=0)


def weigh(rows: Any, per_sample_weights: Any) -> Any:
    """Multiply rows by their weights, if there are any."""
    return rows if per_sample_weights is None else rows * per_sample_weights[..., None]


def reduce_matrix(weight: Any, indices: Any, mode: str, per_sample_weights: Any = None) -> Any:
    """Reduce the rows of each row of indices by an array's sum, mean or max."""
    rows = weigh(look_up(weight, indices), per_sample_weights)
    return getattr(rows, mode)(axis=1)


def reduce_segments(
    weight: Any, indices: Any, bounds: Any, mode: str, per_sample_weights: Any = None
) -> Any:
    """Reduce the rows between one bound and the next."""
    rows = weigh(look_up(weight, indices), per_sample_weights)
    bags = cupy.searchsorted(bounds, cupy.arange(len(indices)), side="right")
    shape = (len(bounds) + 1, *rows.shape[1:])
    if mode == "max":
        reduced = cupy.full(shape, -cupy.inf, rows.dtype)
        cupyx.scatter_max(reduced, bags, rows)
        return reduced[1:-1]
    reduced = cupy.zeros(shape, rows.dtype)
    cupyx.scatter_add(reduced, bags, rows)
    if mode == "mean":
        reduced[1:-1] /= cupy.diff(bounds)[:, None]
    return reduced[1:-1]


def append_end(offsets: Any, indices: Any) -> Any:
    """Append the number of indices to the offsets."""
    return cupy.append(offsets, len(indices))


_LOOKUPS = Lookups(look_up, reduce_matrix, reduce_segments, append_end)

_LANGUAGE = Language(
    imports="from typing import Any\n\nimport cupy\nimport cupyx",
    lookups=_LOOKUPS,
    from_numpy=lambda name, _: f"cupy.asarray({name})",
    to_numpy=lambda name, _: f"cupy.asnumpy({name})",
)


class CupyTake:
    """CuPy on its current device."""

    info = BackendInfo(
        id="cupy@cuda",
        library="cupy",
        version=cupy.__version__,
        device="cuda",
        operations=_OPERATIONS,
        capabilities=frozenset({Capability.PER_SAMPLE_WEIGHTS, Capability.INCLUDE_LAST_OFFSET}),
    )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Copy the inputs to the GPU, and return a thunk; a first run here compiles the kernels."""
        _expect_known(call)
        arrays = {name: cupy.asarray(array) for name, array in call.inputs.items()}
        found = arrays if call.wants_inputs else {}

        def run() -> Answer:
            output = _LOOKUPS.take(call, arrays)
            # CuPy returns when its kernels are enqueued; errors and times are known when they end.
            cupy.cuda.get_current_stream().synchronize()
            return {"output": output}, found

        run()
        return run

    def script(self, call: Call) -> str:
        """Write a call as CuPy users would."""
        _expect_known(call)
        return script.write(call, _LANGUAGE)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Copy the arrays to NumPy."""
        return brought_home(answer, cupy.asnumpy)


def on_cuda() -> CupyTake:
    """Make the backend `cupy@cuda`; raises Unavailable without a CUDA device."""
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise Unavailable(f"cupy {cupy.__version__} finds no CUDA device: {error}") from None
    return CupyTake()


def _expect_known(call: Call) -> None:
    composition.expect_known(call, "CuPy", _OPTIONS, _OBSERVABLE)
    if call.operation.is_bag:
        composition.expect_mode(call, ("sum", "mean", "max"))
