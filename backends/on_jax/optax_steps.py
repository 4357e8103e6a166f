"""The optimisers of Optax, which Flax and Equinox document for training.

Adagrad gets PyTorch's initial accumulator and epsilon.
https://optax.readthedocs.io/en/latest/api/optimizers.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optax

from embcheck.conformance.contract.call import Observation

OPTIMISERS: dict[str, Callable[[], Any]] = {
    Observation.TRAINED_WEIGHT: lambda: optax.sgd(1.0),
    Observation.WEIGHT_TRAINED_BY_ADAGRAD: lambda: optax.adagrad(
        1.0, initial_accumulator_value=0.0, eps=1e-10
    ),
}
"""The optimiser of one step, by the observation that it makes."""
