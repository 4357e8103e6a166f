"""Observations of a lookup in TensorFlow: its output, gradients, and a training step.

The table is a `tf.Variable`, and gradients come from `tf.GradientTape`, which always stores the
gradient of a lookup by rows, as `tf.IndexedSlices`. A training step is one step of an optimiser in
`tf.keras.optimizers` over the `trainable_variables` of a `tf.Module`. The module holds a copy of
the table and one more number, since TensorFlow refuses to train nothing. Adagrad gets PyTorch's
defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from embcheck.conformance.contract.call import Observation

Tensors = dict[str, Any]

Compile = Callable[[Callable[..., Any]], Callable[..., Any]]
"""`tf.function`, or a function that returns its argument as it is."""

OPTIMISERS: dict[str, Callable[[], Any]] = {
    Observation.TRAINED_WEIGHT: lambda: tf.keras.optimizers.SGD(learning_rate=1.0),
    # Keras starts the sum of squares at 0.1, and has another epsilon.
    Observation.WEIGHT_TRAINED_BY_ADAGRAD: lambda: tf.keras.optimizers.Adagrad(
        learning_rate=1.0, initial_accumulator_value=0.0, epsilon=1e-10
    ),
}

_EARLIER_USES: dict[str, Callable[[Any], Any]] = {
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE: lambda weight: weight,
    Observation.GRAD_WEIGHT_AFTER_EARLIER_USE_OF_CLONE: tf.identity,
}

_OF_THE_GRADIENT: dict[str, Callable[[Any], Any]] = {
    # For `tf.IndexedSlices`, this adds up what several indices pass to a row.
    Observation.GRAD_WEIGHT: tf.convert_to_tensor,
    Observation.GRAD_WEIGHT_IS_SPARSE: lambda g: tf.constant(isinstance(g, tf.IndexedSlices)),
    Observation.SPARSE_GRAD_ROWS: lambda gradient: gradient.indices,
    Observation.SPARSE_GRAD_VALUES: lambda gradient: gradient.values,
}

OBSERVABLE = frozenset(
    {
        *("output", "product", "weight_after", "inputs_after", "grad_per_sample_weights"),
        *(Observation.TRAINABLE, *_OF_THE_GRADIENT, *_EARLIER_USES, *OPTIMISERS),
    }
)


def observe(wanted: frozenset[str], look_up: Callable[[Tensors], Any], tensors: Tensors) -> Tensors:
    """Look up, and compute the other observations in `wanted`."""
    weight: Any = tensors.get("weight")
    factors = tensors.get("per_sample_weights")
    # Persistent, since more than one gradient may be taken from it.
    with tf.GradientTape(persistent=True) as tape:
        if factors is not None:
            # Unlike a variable, a constant is followed only if the tape is told to.
            tape.watch(factors)
        earlier = {n: _squares(use, weight) for n, use in _EARLIER_USES.items() if n in wanted}
        output = look_up(tensors)
        sums = {name: term + tf.reduce_sum(output) for name, term in earlier.items()}
    observed = {"output": output}
    upstream = tensors.get("grad_output")
    if wanted & _OF_THE_GRADIENT.keys():
        gradient = tape.gradient(output, weight, upstream)
        observed |= {n: show(gradient) for n, show in _OF_THE_GRADIENT.items() if n in wanted}
    if Observation.GRAD_PER_SAMPLE_WEIGHTS in wanted:
        observed["grad_per_sample_weights"] = tape.gradient(output, factors, upstream)
    for name, total in sums.items():
        observed[name] = tf.convert_to_tensor(tape.gradient(total, weight))
    if Observation.PRODUCT in wanted:
        observed["product"] = tf.cast(output, weight.dtype) @ weight
    if Observation.TRAINABLE in wanted:
        observed["trainable"] = tf.constant(weight.trainable)
    return observed


def train(name: str, look_up: Callable[[Tensors], Any], tensors: Tensors, compiled: Compile) -> Any:
    """Return a copy of the table after one step of an optimiser."""
    # A copy is trained, so that the caller finds the table as it was before the step.
    given, module, optimiser = tensors["weight"], tf.Module(), OPTIMISERS[name]()
    module.table = tf.Variable(given, trainable=given.trainable)
    module.company = tf.Variable(tf.ones(1, given.dtype))
    trained = module.trainable_variables
    # A compiled step must not create variables, so the optimiser's are created before.
    optimiser.build(trained)

    def step(given: Tensors) -> None:
        with tf.GradientTape() as tape:
            output = look_up({**given, "weight": module.table})
            upstream = given.get("grad_output", tf.ones_like(output))
            loss = tf.reduce_sum(output * upstream) + tf.reduce_sum(module.company)
        gradients = tape.gradient(loss, trained)
        optimiser.apply_gradients(zip(gradients, trained, strict=True))

    compiled(step)({name: tensor for name, tensor in tensors.items() if name != "weight"})
    return module.table


def _squares(use: Callable[[Any], Any], weight: Any) -> Any:
    return tf.reduce_sum(tf.square(use(weight)))
