"""Other ways in which JAX users gather rows.

The comment in each spelling says what it does with an index out of range.
https://docs.jax.dev/en/latest/_autosummary/jax.numpy.ndarray.at.html tells the modes, and
https://docs.jax.dev/en/latest/debugging/checkify_guide.html how compiled code raises errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import checkify

from embcheck.backends.on_jax.observe import Answer, finished
from embcheck.conformance.contract.call import Call, Observation, Operation

CHECKED = "jax.jit(checkify.checkify(look_up, errors=checkify.index_checks))  # raises"
"""The spelling of any lookup with JAX's own checks of indices."""

_WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "jnp.take(weight, indices, axis=0)  # fills with NaN": lambda weight, indices: jnp.take(
        weight, indices, axis=0
    ),
    'jnp.take(weight, indices, axis=0, mode="clip")  # clamps': lambda weight, indices: jnp.take(
        weight, indices, axis=0, mode="clip"
    ),
    "weight[indices]  # clamps, negative ones count from the end": lambda weight, indices: weight[
        indices
    ],
    'weight.at[indices].get(mode="promise_in_bounds")  # undefined': lambda weight, indices: (
        weight.at[indices].get(mode="promise_in_bounds")
    ),
}


def spellings(call: Call) -> dict[str, Callable[[], Answer]]:
    """Return a compiled thunk for each spelling of a plain lookup; none for any other call."""
    is_plain = call.operation is Operation.EMBEDDING and call.observe == (Observation.OUTPUT,)
    if not is_plain or any(value is not None for value in call.options.values()):
        return {}
    arrays = {name: jnp.asarray(array) for name, array in call.inputs.items()}
    return {name: _thunk(jax.jit(way), arrays) for name, way in _WAYS.items()}


def checked(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Compile a function that raises after it has run if an index names no row."""
    run = jax.jit(checkify.checkify(function, errors=checkify.index_checks))

    def run_and_raise(arrays: Any) -> Any:
        # Compiled code cannot raise: `checkify` returns the error beside the answer.
        error, observed = run(arrays)
        error.throw()
        return finished(observed)

    return run_and_raise


def _thunk(run: Any, arrays: dict[str, Any]) -> Callable[[], Answer]:
    return lambda: ({"output": finished(run(arrays["weight"], arrays["indices"]))}, {})
