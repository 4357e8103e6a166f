"""TensorFlow compiled by XLA, `tf.function(jit_compile=True)`, gradients included.

XLA has no kernels for the lookups that combine bags, so that these are composed: rows of a ragged
tensor are looked up, and reduced as TensorFlow's guide to ragged tensors shows.
https://www.tensorflow.org/guide/ragged_tensor and https://www.tensorflow.org/xla/tutorials/jit_compile
"""

from __future__ import annotations

import tensorflow as tf

from embcheck.backends.on_tensorflow.calls import (
    CAPABILITIES,
    TensorFlowCalls,
    Way,
    provided_with_variables,
    use,
)
from embcheck.backends.on_tensorflow.lookups import reduce
from embcheck.conformance.contract.backend import BackendInfo, Provided, Provision

_BAGS = Provided(
    Provision.COMPOSED,
    "tf.reduce_sum, reduce_mean or reduce_max(rows, axis=1), where "
    "rows = tf.nn.embedding_lookup(weight, indices), or with offsets "
    "tf.RaggedTensor.from_row_starts(tf.nn.embedding_lookup(weight, indices), offsets)",
)


def _make(name: str, device: str, made_from: str) -> TensorFlowCalls:
    info = BackendInfo(
        id=name,
        library="tensorflow",
        modules=("tensorflow", "keras"),
        version=tf.__version__,
        device=use(device),
        operations=provided_with_variables(_BAGS),
        capabilities=CAPABILITIES,
        made_from=made_from,
        survives_fork=device == "cpu",
    )
    return TensorFlowCalls(info, Way(reduce, jit_compile=True))


def on_cpu() -> TensorFlowCalls:
    """Make the backend `tensorflow-xla`."""
    return _make("tensorflow-xla", "cpu", "tensorflow-eager")


def on_cuda() -> TensorFlowCalls:
    """Make the backend `tensorflow-xla@cuda`; raises Unavailable without a GPU."""
    return _make("tensorflow-xla@cuda", "cuda", "tensorflow-eager@cuda")
