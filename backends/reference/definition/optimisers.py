"""The first step of each optimiser that takes sparse gradients, with learning rate 1.

Each step gets the whole gradient, in which the parts of each row are already added up. A row with
a zero gradient stays as it is, since no step has any other term.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from embcheck.conformance.contract.call import Observation


def sgd(weight: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Subtract the gradient."""
    return np.asarray(weight - gradient)


def adagrad(weight: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Subtract the gradient, divided by the root of its sum of squares, which has one term here."""
    epsilon = 1e-10
    sum_of_squares = gradient**2
    return np.asarray(weight - gradient / (np.sqrt(sum_of_squares) + epsilon))


def sparse_adam(weight: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Subtract the mean of the gradient, divided by the root of the mean of its squares.

    Both means start at 0; the first step is corrected for that.
    """
    beta_1, beta_2, epsilon = 0.9, 0.999, 1e-8
    mean = (1 - beta_1) * gradient
    mean_of_squares = (1 - beta_2) * gradient**2
    step_size = np.sqrt(1 - beta_2) / (1 - beta_1)
    return np.asarray(weight - step_size * mean / (np.sqrt(mean_of_squares) + epsilon))


OPTIMISERS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    Observation.TRAINED_WEIGHT: sgd,
    Observation.WEIGHT_TRAINED_BY_ADAGRAD: adagrad,
    Observation.WEIGHT_TRAINED_BY_SPARSE_ADAM: sparse_adam,
}
