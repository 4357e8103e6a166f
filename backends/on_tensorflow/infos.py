"""Infos of TensorFlow's ways of running lookups."""

from __future__ import annotations

import tensorflow as tf

from embcheck.backends.on_tensorflow.calls import use
from embcheck.conformance.contract.backend import BackendInfo, Capability, Provided, Provision
from embcheck.conformance.contract.call import Operation

RAGGED_BAGS = Provided(
    Provision.COMPOSED,
    "tf.reduce_sum, reduce_mean or reduce_max(rows, axis=1), where "
    "rows = tf.nn.embedding_lookup(weight, indices), or with offsets "
    "tf.RaggedTensor.from_row_starts(tf.nn.embedding_lookup(weight, indices), offsets)",
)
"""How bags are composed where TensorFlow's combiners cannot be compiled or converted."""

_CAPABILITIES = frozenset(
    {
        *(Capability.GRADIENTS, Capability.SPARSE_GRADIENTS),
        *(Capability.TRAINING, Capability.ADAGRAD, Capability.MAX_NORM),
        *(Capability.PER_SAMPLE_WEIGHTS, Capability.INCLUDE_LAST_OFFSET),
    }
)


def provided(bags: Provided, form: str = "{}") -> dict[Operation, Provided]:
    """Say how each operation is provided; in `form`, `{}` stands for TensorFlow's spelling."""
    rows = form.format("tf.nn.embedding_lookup(weight, indices)")
    classes = form.format("tf.one_hot(indices, num_classes, dtype=tf.int64)")
    return {
        Operation.EMBEDDING: Provided(Provision.NATIVE, rows),
        Operation.EMBEDDING_BAG: Provided(bags.provision, form.format(bags.spelling)),
        Operation.ONE_HOT: Provided(Provision.NATIVE, classes),
    }


def info_of(name: str, device: str, bags: Provided, made_from: str | None = None) -> BackendInfo:
    """Return the info of a way whose tables are variables; raise Unavailable without the device."""
    operations = provided(bags)
    # TensorFlow's only layer of lookups is Keras's, so a frozen table is a variable.
    table = "tf.Variable(weight, trainable=not freeze), then "
    rows, bags_of_rows = operations[Operation.EMBEDDING], operations[Operation.EMBEDDING_BAG]
    operations |= {
        Operation.EMBEDDING_FROM_PRETRAINED: Provided(Provision.COMPOSED, table + rows.spelling),
        Operation.EMBEDDING_BAG_FROM_PRETRAINED: Provided(
            Provision.COMPOSED, table + bags_of_rows.spelling
        ),
    }
    return BackendInfo(
        id=name,
        library="tensorflow",
        # `tf.keras`, whose optimisers train, is Keras's package.
        modules=("tensorflow", "keras"),
        version=tf.__version__,
        device=use(device),
        operations=operations,
        capabilities=_CAPABILITIES,
        made_from=made_from,
        survives_fork=device == "cpu",
    )
