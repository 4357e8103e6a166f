"""Paddle, eager, called as its documentation shows: functions of `F`, the layer `nn.Embedding`.

Paddle's arguments are named like PyTorch's, and are given as they are. A layer of a given table is
one with a `weight_attr`, as the layer documents it: the initialiser `Assign` copies the table to a
parameter that the layer lists. Its argument `_weight` keeps the caller's own tensor, which
`layer.parameters()` does not list unless it is a parameter. Bags are composed: see
`lookups`. NumPy's uint16 is Paddle's bfloat16. A one-hot encoding is of float32, and becomes
one of int64 as Paddle's guide for PyTorch's users writes it.
https://paddlepaddle.org.cn/documentation/docs/en/api/paddle/nn/functional/embedding_en.html
https://www.paddlepaddle.org.cn/documentation/guides/model_convert/convert_from_pytorch/api_difference/functional/torch.nn.functional.one_hot.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import paddle
from paddle import Tensor

from embcheck.backends.composed import composition
from embcheck.backends.on_paddle import script
from embcheck.backends.on_paddle.calls import (
    LOOKUP_OPTIONS,
    layer_of_the_tensor,
    lookup_of,
    make_layer,
    of_layer,
    tensors_of,
)
from embcheck.backends.on_paddle.lookups import KEEPING, RECEIVING, receive_segments, to_array
from embcheck.backends.on_paddle.observe import OF_THE_GRADIENT, PreparedLookup, Tensors, observe
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unavailable,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call, Observation, Operation

Answer = tuple[Tensors, Tensors]
"""The observations, and the tensors that the caller finds after the call."""

_OPERATIONS = {
    Operation.EMBEDDING: Provided(Provision.NATIVE, "paddle.nn.functional.embedding"),
    Operation.EMBEDDING_MODULE: Provided(Provision.NATIVE, "paddle.nn.Embedding"),
    Operation.EMBEDDING_FROM_PRETRAINED: Provided(
        Provision.COMPOSED,
        "paddle.nn.Embedding(weight.shape[0], weight.shape[-1], dtype=weight.dtype, weight_attr="
        "paddle.ParamAttr(initializer=paddle.nn.initializer.Assign(weight), trainable=not freeze))",
    ),
    Operation.EMBEDDING_BAG: Provided(
        Provision.COMPOSED,
        "paddle.nn.functional.embedding, then paddle.sum, mean or max, or with offsets "
        "paddle.geometric.segment_sum, segment_mean or segment_max",
    ),
    Operation.ONE_HOT: Provided(
        Provision.COMPOSED, 'paddle.nn.functional.one_hot(...).astype("int64")'
    ),
}


class PaddleEager:
    """Eager Paddle on one device, which is Paddle's default device from then on."""

    def __init__(self, name: str, device: str) -> None:
        # For the whole process, so that a worker has one device only.
        paddle.set_device("gpu" if device == "cuda" else device)
        self.info = BackendInfo(
            id=name,
            library="paddle",
            version=paddle.__version__,
            device=device,
            operations=_OPERATIONS,
            capabilities=frozenset(Capability),
            # With a padding_idx, an index that is too large is read, and gradients write there.
            fresh_worker_after_bad_index=True,
            survives_fork=device == "cpu",
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Copy the inputs, make the layer, and return a thunk of the observations."""
        _expect_known(call)
        tensors = tensors_of(call)
        if call.operation.makes_module:
            layer = make_layer(call, tensors)
            prepared = of_layer(call, tensors, layer)
            if call.operation.is_fresh:
                tensors["weight"] = layer.weight
        else:
            weight = tensors.get("weight")
            prepared = PreparedLookup(call, tensors, weight, [weight], lookup_of(call, tensors))
        return self._thunk(prepared)

    def spellings(self, call: Call) -> Mapping[str, Callable[[], Answer]]:
        """Return bags whose number is passed, and the layer that keeps the caller's tensor."""
        _expect_known(call)
        tensors = tensors_of(call)
        if call.operation is Operation.EMBEDDING_FROM_PRETRAINED:
            prepared = of_layer(call, tensors, layer_of_the_tensor(call, tensors))
            return {KEEPING: self._thunk(prepared)}
        if call.operation.is_bag and "offsets" in tensors:
            weight = tensors["weight"]
            lookup = lookup_of(call, tensors, receive_segments)
            return {RECEIVING: self._thunk(PreparedLookup(call, tensors, weight, [weight], lookup))}
        return {}

    def script(self, call: Call) -> str:
        """Write a call as Paddle users would."""
        _expect_known(call)
        return script.write(call, self.info.device)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Copy the tensors to NumPy; a sparse gradient becomes dense only here."""
        observed, found = answer
        shown = {
            # A sparse gradient is read here, outside of the timing: making it dense is not part of
            # a call.
            name: np.asarray(OF_THE_GRADIENT.get(name, _home)(value))
            for name, value in observed.items()
        }
        return {**inputs_after({n: to_array(tensor) for n, tensor in found.items()}), **shown}

    def _thunk(self, prepared: PreparedLookup) -> Callable[[], Answer]:
        """Return a thunk that looks up and makes only the observations that the call asks for."""
        # Timings ask for the output alone.
        is_plain = prepared.call.observe == (Observation.OUTPUT,)
        found = prepared.tensors if prepared.call.wants_inputs else {}
        waits = self.info.device == "cuda"

        def run() -> Answer:
            observed = {"output": prepared.lookup()} if is_plain else observe(prepared)
            if waits:
                # Kernels on a GPU are only enqueued when Paddle returns.
                paddle.device.synchronize()
            return observed, found

        return run


def _home(value: Tensor | bool) -> Any:
    return value if isinstance(value, bool) else to_array(value)


def _expect_known(call: Call) -> None:
    if call.operation not in _OPERATIONS:
        raise Unsupported(f"Paddle has no {call.operation}")
    # The options of a lookup are passed on, for Paddle itself to take or refuse. Bags are composed,
    # so other options and modes than those of the composition are refused here.
    if not call.operation.is_bag:
        return
    composition.expect_only(
        call, "Paddle", (*LOOKUP_OPTIONS, *composition.BAG_OPTIONS), {*Observation}
    )
    composition.expect_mode(call, ("sum", "mean", "max"))


def on_cpu() -> PaddleEager:
    """Make the backend `paddle`."""
    return PaddleEager("paddle", "cpu")


def on_cuda() -> PaddleEager:
    """Make the backend `paddle@cuda`; raises Unavailable without a CUDA device."""
    if not paddle.is_compiled_with_cuda():
        raise Unavailable(f"paddle {paddle.__version__} is built without CUDA")
    if paddle.device.cuda.device_count() == 0:
        raise Unavailable(f"paddle {paddle.__version__} finds no CUDA device")
    return PaddleEager("paddle@cuda", "cuda")
