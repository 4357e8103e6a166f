"""TensorFlow compiled by XLA, `tf.function(jit_compile=True)`, gradients included.

XLA has no kernels for the lookups that combine bags, so that these are composed: rows of a ragged
tensor are looked up, and reduced as TensorFlow's guide to ragged tensors shows.
https://www.tensorflow.org/guide/ragged_tensor and https://www.tensorflow.org/xla/tutorials/jit_compile
"""

from __future__ import annotations

from embcheck.backends.on_tensorflow.calls import TensorFlowCalls, TensorFlowWay
from embcheck.backends.on_tensorflow.infos import RAGGED_BAGS, info_of
from embcheck.backends.on_tensorflow.lookups import reduce


def _make(name: str, device: str, made_from: str) -> TensorFlowCalls:
    info = info_of(name, device, RAGGED_BAGS, made_from)
    return TensorFlowCalls(info, TensorFlowWay(reduce, jit_compile=True))


def on_cpu() -> TensorFlowCalls:
    """Make the backend `tensorflow-xla`."""
    return _make("tensorflow-xla", "cpu", "tensorflow-eager")


def on_cuda() -> TensorFlowCalls:
    """Make the backend `tensorflow-xla@cuda`; raises Unavailable without a GPU."""
    return _make("tensorflow-xla@cuda", "cuda", "tensorflow-eager@cuda")
