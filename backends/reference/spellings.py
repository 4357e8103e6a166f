"""The ways in which NumPy users gather rows.

The comment in each spelling says what it does with an index out of range.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from embcheck.conformance.contract.call import Call, Observation, Operation

Thunks = dict[str, Callable[[], dict[str, np.ndarray]]]


def spellings(call: Call) -> Thunks:
    """Return a thunk for each spelling of a plain lookup; none for any other call."""
    is_plain = call.operation is Operation.EMBEDDING and call.observe == (Observation.OUTPUT,)
    if not is_plain or any(value is not None for value in call.options.values()):
        return {}
    weight, indices = call.inputs["weight"], call.inputs["indices"]
    out = np.empty((*indices.shape, weight.shape[1]), weight.dtype)

    def take(mode: str) -> Callable[[], dict[str, np.ndarray]]:
        return lambda: {"output": np.take(weight, indices, axis=0, mode=mode)}  # type: ignore[call-overload]

    def take_into(mode: str) -> Callable[[], dict[str, np.ndarray]]:
        return lambda: {"output": np.take(weight, indices, axis=0, mode=mode, out=out)}  # type: ignore[call-overload]

    return {
        "np.take(weight, indices, axis=0)  # raises": lambda: {
            "output": np.take(weight, indices, axis=0)
        },
        'np.take(weight, indices, axis=0, mode="clip")  # clamps': take("clip"),
        'np.take(weight, indices, axis=0, mode="wrap")  # wraps': take("wrap"),
        "np.take(weight, indices, axis=0, out=out)  # raises": take_into("raise"),
        'np.take(weight, indices, axis=0, mode="clip", out=out)  # clamps': take_into("clip"),
        "weight[indices]  # raises": lambda: {"output": weight[indices]},
    }
