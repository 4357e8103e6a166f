"""TensorFlow run eagerly: `tf.nn.embedding_lookup`, and `tf.nn.safe_embedding_lookup_sparse`.

Bags are rows of a ragged tensor, which `tf.RaggedTensor.from_row_starts` makes of offsets. Of the
two functions that combine them this is the one that is documented for empty bags; it prunes
negative indices. https://www.tensorflow.org/api_docs/python/tf/nn/safe_embedding_lookup_sparse
"""

from __future__ import annotations

from embcheck.backends.on_tensorflow.calls import TensorFlowCalls, TensorFlowWay
from embcheck.backends.on_tensorflow.infos import info_of
from embcheck.backends.on_tensorflow.lookups import pool
from embcheck.conformance.contract.backend import Provided, Provision

_BAGS = Provided(
    Provision.NATIVE,
    "tf.nn.safe_embedding_lookup_sparse(weight, bags, sparse_weights, combiner=mode), where "
    "bags = tf.RaggedTensor.from_row_starts(indices, offsets); "
    "mode max: tf.reduce_max(tf.nn.embedding_lookup(weight, bags), axis=1)",
)


def _make(name: str, device: str) -> TensorFlowCalls:
    info = info_of(name, device, _BAGS)
    return TensorFlowCalls(info, TensorFlowWay(pool, jit_compile=False))


def on_cpu() -> TensorFlowCalls:
    """Make the backend `tensorflow-eager`."""
    return _make("tensorflow-eager", "cpu")


def on_cuda() -> TensorFlowCalls:
    """Make the backend `tensorflow-eager@cuda`; raises Unavailable without a GPU."""
    return _make("tensorflow-eager@cuda", "cuda")
