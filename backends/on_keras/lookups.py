"""Lookups and bags in Keras's own operations, the same for every backend of Keras.

Keras has no bags, but `keras.ops` documents reductions of segments. `keras.ops.repeat` repeats the
number of each bag by its size, which gives the bag of each index. The numbers are 32-bit, as
`keras.ops.arange` makes them. Rows behind the last bound belong to no bag, and are cut off. Keras's
backend must be chosen before this module is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from embcheck.backends.composed.composition import source
from embcheck.backends.composed.lookups import Lookups
from embcheck.backends.composed.script import Language

PRETRAINED = (
    "keras.layers.Embedding(weight.shape[0], weight.shape[-1], weights=weight, "
    "dtype=keras.backend.standardize_dtype(weight.dtype))"
)
_TERM = "ops.sum(ops.multiply({look_up}, {upstream}))"


def look_up(weight: Any, indices: Any) -> Any:
    """Take the row of each index."""
    return ops.take(weight, indices, axis=0)


def weigh(rows: Any, per_sample_weights: Any) -> Any:
    """Multiply rows by their weights, if there are any."""
    if per_sample_weights is None:
        return rows
    return ops.multiply(rows, ops.expand_dims(per_sample_weights, -1))


def reduce_matrix(weight: Any, indices: Any, mode: str, per_sample_weights: Any = None) -> Any:
    """Reduce the rows of each row of indices by ops.sum, ops.mean or ops.max."""
    rows = weigh(look_up(weight, indices), per_sample_weights)
    return getattr(ops, mode)(rows, axis=1)


def reduce_segments(
    weight: Any, indices: Any, bounds: Any, mode: str, per_sample_weights: Any = None
) -> Any:
    """Reduce the rows between one bound and the next by ops.segment_sum or ops.segment_max."""
    rows = weigh(look_up(weight, indices), per_sample_weights)
    sizes = ops.diff(bounds)
    count = sizes.shape[0]
    bags = ops.repeat(ops.arange(count), sizes)
    rows = rows[: bounds[-1]]
    if mode == "max":
        return ops.segment_max(rows, bags, num_segments=count)
    sums = ops.segment_sum(rows, bags, num_segments=count)
    return ops.divide(sums, ops.expand_dims(sizes, -1)) if mode == "mean" else sums


def append_end(offsets: Any, indices: Any) -> Any:
    """Append the number of indices to the offsets."""
    return ops.concatenate([offsets, ops.array([indices.shape[0]])])


LOOKUPS = Lookups(look_up, reduce_matrix, reduce_segments, append_end)


def language(name: str, imports: str, gradient: Callable[..., Any] | None) -> Language:
    """Return how lookups are written with one of Keras's backends."""
    converted = "{}" if name == "numpy" else "ops.convert_to_tensor({})"  # its tensors are arrays
    imported = [
        "from collections.abc import Callable",
        "from typing import Any\n",
        "import os\n",
        f'os.environ["KERAS_BACKEND"] = {name!r}',
        f"{imports}import keras",
        "from keras import ops",
        f"\n\n{source(gradient)}\n\n" if gradient else "",
    ]
    return Language(
        imports="\n".join(imported),
        lookups=LOOKUPS,
        from_numpy=lambda name, _: converted.format(name),
        to_numpy=lambda name, _: f"ops.convert_to_numpy({name})",
        fresh_module="keras.layers.Embedding({})",
        pretrained_module=f"module = {PRETRAINED}",
        freeze="module.trainable = False",
        ones="ops.ones_like(output)",
        gradient=f"gradient(lambda {{name}}: {_TERM}, {{name}})",
        module_gradient="gradient(lambda weight: ops.sum(ops.multiply(module.stateless_call("
        "[weight], [], indices)[0], {upstream})), module.embeddings.value)",
        one_hot='ops.one_hot(indices, {}, dtype="int64")',
        module_weight="module.embeddings",
    )
