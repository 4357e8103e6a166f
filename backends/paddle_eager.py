"""Paddle, eager, called as its documentation shows: functions of `F`, the layer `nn.Embedding`.

Paddle's arguments are named like PyTorch's, and are given as they are. A layer of a given table is
one with a `weight_attr`, as the layer documents it: the initialiser `Assign` copies the table to a
parameter that the layer lists. Its argument `_weight` keeps the caller's own tensor, which
`layer.parameters()` does not list unless it is a parameter. Bags are composed: see
`paddle_lookups`. NumPy's uint16 is Paddle's bfloat16. A one-hot encoding is of float32, and becomes
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

from embcheck.backends import composition, paddle_script
from embcheck.backends.paddle_lookups import (
    KEEPING,
    RECEIVING,
    receive_segments,
    reduce_matrix,
    reduce_segments,
    to_array,
    to_tensor,
)
from embcheck.backends.paddle_observe import OF_THE_GRADIENT, Prepared, Tensors, observe
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unavailable,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import (
    GRADIENT_OBSERVATIONS,
    TRAINING_OBSERVATIONS,
    Call,
    Observation,
    Operation,
)
from embcheck.conformance.contract.help import helps

Answer = tuple[Tensors, Tensors]
"""What was observed, and the tensors that the caller finds after the call."""

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

_LOOKUP_OPTIONS = ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")

_MODULES = (Operation.EMBEDDING_MODULE, Operation.EMBEDDING_FROM_PRETRAINED)

_OF_THE_WEIGHT = {*GRADIENT_OBSERVATIONS, *TRAINING_OBSERVATIONS} - {
    Observation.GRAD_PER_SAMPLE_WEIGHTS
}


class PaddleEager:
    """Eager Paddle on one device, which is Paddle's default device from then on."""

    def __init__(self, name: str, device: str) -> None:
        paddle.set_device("gpu" if device == "cuda" else device)
        self.info = BackendInfo(
            id=name,
            library="paddle",
            version=paddle.__version__,
            device=device,
            operations=_OPERATIONS,
            capabilities=frozenset(Capability),
            # Beside a padding_idx, an index that is too large is read, and written by gradients.
            fresh_worker_after_bad_index=True,
            survives_fork=device == "cpu",
        )

    def prepare(self, call: Call) -> Callable[[], Answer]:
        """Copy the inputs, make the layer, and return the lookup with what is to be observed."""
        _expect_known(call)
        tensors = _tensors(call)
        if call.operation in _MODULES:
            layer = _layer(call, tensors)
            prepared = _of_layer(call, tensors, layer)
            if call.operation is Operation.EMBEDDING_MODULE:
                tensors["weight"] = layer.weight
        else:
            weight = tensors.get("weight")
            prepared = Prepared(call, tensors, weight, [weight], _lookup(call, tensors))
        return self._thunk(prepared)

    def spellings(self, call: Call) -> Mapping[str, Callable[[], Answer]]:
        """Return bags that are told their number, and the layer that keeps the caller's tensor."""
        _expect_known(call)
        tensors = _tensors(call)
        if call.operation is Operation.EMBEDDING_FROM_PRETRAINED:
            prepared = _of_layer(call, tensors, _layer_of_the_tensor(call, tensors))
            return {KEEPING: self._thunk(prepared)}
        if call.operation.is_bag and "offsets" in tensors:
            weight = tensors["weight"]
            lookup = _lookup(call, tensors, receive_segments)
            return {RECEIVING: self._thunk(Prepared(call, tensors, weight, [weight], lookup))}
        return {}

    def script(self, call: Call) -> str:
        """Write a call as Paddle's users would."""
        _expect_known(call)
        return paddle_script.write(call, self.info.device)

    def to_numpy(self, answer: Answer) -> Mapping[str, np.ndarray]:
        """Copy the tensors home; a sparse gradient becomes dense only here."""
        observed, found = answer
        shown = {
            name: np.asarray(OF_THE_GRADIENT.get(name, _home)(value))
            for name, value in observed.items()
        }
        return {**inputs_after({n: to_array(tensor) for n, tensor in found.items()}), **shown}

    def _thunk(self, prepared: Prepared) -> Callable[[], Answer]:
        """Return the lookup with what is to be observed of it, and nothing else."""
        is_plain = prepared.call.observe == (Observation.OUTPUT,)
        waits = self.info.device == "cuda"

        def run() -> Answer:
            observed = {"output": prepared.lookup()} if is_plain else observe(prepared)
            if waits:
                paddle.device.synchronize()
            return observed, prepared.tensors

        return run


def _home(value: Tensor | bool) -> Any:
    return value if isinstance(value, bool) else to_array(value)


def _expect_known(call: Call) -> None:
    if call.operation not in _OPERATIONS:
        raise Unsupported(f"Paddle has no {call.operation}")
    if not call.operation.is_bag:
        return
    composition.expect_only(
        call, "Paddle", (*_LOOKUP_OPTIONS, *composition.BAG_OPTIONS), {*Observation}
    )
    composition.expect_mode(call, ("sum", "mean", "max"))


def _tensors(call: Call) -> Tensors:
    """Copy the inputs; those of an operation take part in the gradients that are asked for."""
    tensors = {name: to_tensor(array) for name, array in call.inputs.items()}
    if call.wants(Observation.GRAD_PER_SAMPLE_WEIGHTS):
        tensors["per_sample_weights"].stop_gradient = False
    if call.operation not in _MODULES and call.wants(*_OF_THE_WEIGHT):
        tensors["weight"].stop_gradient = False
    return tensors


def _of_layer(call: Call, tensors: Tensors, layer: Any) -> Prepared:
    return Prepared(
        call, tensors, layer.weight, layer.parameters(), lambda: layer(tensors["indices"])
    )


def _layer(call: Call, tensors: Tensors) -> Any:
    options = dict(call.options)
    if call.operation is Operation.EMBEDDING_MODULE:
        return paddle.nn.Embedding(**options)
    weight, freeze = tensors["weight"], options.pop("freeze", True)
    initialiser = paddle.nn.initializer.Assign(weight)
    attribute = paddle.ParamAttr(initializer=initialiser, trainable=not freeze)
    sizes = weight.shape[0], weight.shape[-1]
    return paddle.nn.Embedding(*sizes, dtype=weight.dtype, weight_attr=attribute, **options)


def _layer_of_the_tensor(call: Call, tensors: Tensors) -> Any:
    options, weight = dict(call.options), tensors["weight"]
    freeze, sizes = options.pop("freeze", True), (weight.shape[0], weight.shape[-1])
    return paddle.nn.Embedding(*sizes, _weight=weight, _freeze=freeze, **options)


def _lookup(
    call: Call, tensors: Tensors, reduce: Callable[..., Tensor] = reduce_segments
) -> Callable[[], Tensor]:
    indices, options = tensors["indices"], call.options
    if call.operation is Operation.ONE_HOT:
        return lambda: paddle.nn.functional.one_hot(indices, **options).astype("int64")
    weight = tensors["weight"]
    if call.operation is Operation.EMBEDDING:
        return lambda: paddle.nn.functional.embedding(indices, weight, **options)
    mode, factors = options.get("mode", "mean"), tensors.get("per_sample_weights")
    rows = {name: options[name] for name in _LOOKUP_OPTIONS if name in options}
    if "offsets" not in tensors:
        return lambda: reduce_matrix(indices, weight, mode, factors, **rows)
    offsets, ends_itself = tensors["offsets"], options.get("include_last_offset")
    if composition.ends_early(call):
        helps(composition.CUTS)

    def divide() -> Tensor:
        bounds = offsets
        if not ends_itself:
            end = paddle.to_tensor([len(indices)], offsets.dtype)
            bounds = paddle.concat([offsets, end])
        return reduce(indices, weight, bounds, mode, factors, **rows)

    return divide


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
