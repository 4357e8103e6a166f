"""The duties of every adapter, whatever its library does."""

from __future__ import annotations

from importlib.util import find_spec

import ml_dtypes
import numpy as np
import pytest
from each_backend import ON_CPU, asked

from embcheck.conformance.contract import export_cache
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.schemes import SCHEMES
from embcheck.conformance.execution.client import BackendUnavailable, WorkerClient
from embcheck.conformance.execution.discovery import extra_that_brings
from embcheck.conformance.execution.judging.stored import errors_of
from embcheck.conformance.execution.protocol.answers import Answered, NotSupported, Rejected
from embcheck.conformance.timing.clock.arms import Arm

SLOW = {"torch-compile", "torch-aotinductor"}
"""Backends that compile C++ for every call; they are tested in their own sessions only."""

BACKENDS = asked(tuple({*ON_CPU} - SLOW))
CASTS = {"keras-numpy-int4", "keras-numpy-int8", "keras-torch", "scipy-csr"}
"""Backends whose library casts a floating index to integers, and so answers."""

GRADIENT = ("grad_weight", "inputs_after")
TABLE = np.arange(12, dtype=np.float32).reshape(3, 4)
MODULE = {"num_embeddings": 3, "embedding_dim": 4}
OPTIONS = {
    Operation.EMBEDDING_MODULE: MODULE,
    Operation.EMBEDDING_BAG_MODULE: MODULE,
    Operation.ONE_HOT: {"num_classes": 3},
}
WIDE = np.pad(TABLE, ((0, 0), (0, 508)))
"""A table whose rows are whole blocks, and which is large enough that a library may store it
differently."""


def call_of(operation, observe=("output", "inputs_after"), indices=(2, 0), schemes=()):
    """Make a plain valid call of an operation; a quantized one uses one of the schemes."""
    inputs = {"indices": np.array(indices)}
    if not operation.is_fresh and operation is not Operation.ONE_HOT:
        inputs["weight"] = WIDE if operation.is_quantized else TABLE
    if operation.is_bag:
        inputs["offsets"] = np.array([0])
    scheme = {"scheme": max(schemes)} if operation.is_quantized else {}
    return Call(operation, inputs, OPTIONS.get(operation, {}) | scheme, observe)


def lookup_of(info, *args, **more):
    """Make a call of a lookup, of a quantized one if the backend has no other."""
    has_lookup = Operation.EMBEDDING in info.operations
    operation = Operation.EMBEDDING if has_lookup else Operation.QUANTIZED_EMBEDDING
    return call_of(operation, *args, **more, schemes=info.schemes)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_declared_operation_answers(workers, backend):
    """Each declared operation returns an output and all inputs unchanged."""
    worker = workers(backend)
    for operation in set(worker.info.operations) - {Operation.PROBE}:
        call = call_of(operation, schemes=worker.info.schemes)
        answer = worker.ask(call)
        assert isinstance(answer, Answered), (operation, answer)
        assert answer.arrays["output"].ndim == 2
        for name, array in call.inputs.items():
            np.testing.assert_array_equal(answer.arrays[f"{name}_after"], array)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_thunk_can_be_called_again(workers, backend):
    """A prepared call that ran many times still returns the first answer."""
    arm = Arm(key=backend, backend=backend, role="main", client=workers(backend))
    call = lookup_of(workers(backend).info, ("output",))
    arm.hold(1, call, shared={})
    for _ in range(3):
        answer = arm.answer(1, again=True)
    weight = call.inputs["weight"]
    scheme = SCHEMES[call.option("scheme")] if call.operation.is_quantized else None
    allowed = errors_of(weight, scheme).max() if scheme else 0
    np.testing.assert_allclose(answer["output"], weight[[2, 0]], rtol=0, atol=allowed)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_float_index_reaches_the_library(workers, backend):
    """No adapter casts a floating index: the library itself refuses or casts it."""
    answer = workers(backend).ask(lookup_of(workers(backend).info, indices=(2.0, 0.0)))
    assert isinstance(answer, Answered if backend in CASTS else Rejected), answer


@pytest.mark.parametrize(
    ("backend", "call"),
    [
        ("jax-take", Call(Operation.ONE_HOT, {"indices": np.array([1])})),
        ("onnxruntime-dynamo", call_of(Operation.EMBEDDING, ("grad_weight",))),
        ("keras-numpy", call_of(Operation.EMBEDDING, ("grad_weight",))),
        ("keras-jax", call_of(Operation.EMBEDDING_FROM_PRETRAINED, ("grad_weight",))),
    ],
)
def test_what_cannot_be_expressed_is_said_before_the_call(workers, backend, call):
    """A call that an adapter cannot express is unsupported, which does not count as a refusal."""
    assert isinstance(workers(backend).ask(call), NotSupported)


@pytest.mark.parametrize(
    ("backend", "library"), [("jax-take@cuda", "jax"), ("paddle@cuda", "paddle")]
)
def test_a_device_that_is_absent_is_said(backend, library):
    """Without a GPU a `@cuda` backend is unavailable; the adapter does not fall back on the CPU."""
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    client = WorkerClient(backend, timeout=300)
    try:
        device = client.info.device
    except BackendUnavailable as reason:
        device = str(reason)
    client.close()
    assert "cuda" in device.lower()


def test_an_exporter_that_keeps_its_table_makes_the_same_graphs(monkeypatch):
    """An exporter that caches the table of translations makes the same graphs as PyTorch alone."""
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    from torch.onnx._internal.exporter._registration import ONNXRegistry  # noqa: PLC0415

    from embcheck.backends.on_onnx import exporters as onnx_exporters  # noqa: PLC0415
    from embcheck.backends.on_torch import inference as torch_inference  # noqa: PLC0415

    alone = ONNXRegistry.from_torchlib
    monkeypatch.setattr(ONNXRegistry, "from_torchlib", alone)  # So that it is restored.
    onnx_exporters._keep_translations.cache_clear()
    bag, lookup = (
        torch_inference.exported(call_of(operation))
        for operation in (Operation.EMBEDDING_BAG, Operation.EMBEDDING)
    )
    made = [onnx_exporters.dynamo(lookup) for lookup in (bag, lookup)]
    kept = ONNXRegistry.from_torchlib
    assert (kept.cache_info().misses, kept.cache_info().hits) == (1, 1)
    ONNXRegistry.from_torchlib = alone
    assert [onnx_exporters.dynamo(lookup) for lookup in (bag, lookup)] == made


def test_an_output_is_read_by_what_every_release_of_onnx_runtime_has(monkeypatch):
    """Outputs are read without `tensor_size_in_bytes`, which ONNX Runtime 1.20 does not have."""
    onnxruntime = pytest.importorskip("onnxruntime")
    from embcheck.backends.on_onnx import sessions  # noqa: PLC0415

    monkeypatch.delattr(onnxruntime.OrtValue, "tensor_size_in_bytes", raising=False)
    for array in (TABLE, TABLE.astype(ml_dtypes.bfloat16), TABLE[:0], np.array(3)):
        found = sessions._to_numpy(sessions._to_ort_value(array))
        assert (found.dtype, found.tolist()) == (array.dtype, array.tolist())


def test_paddle_stores_a_sparse_gradient_by_rows(workers):
    """Paddle returns a sparse gradient as stored rows, and also as a dense gradient if asked."""
    observed = ("output", "grad_weight", "sparse_grad_rows", "sparse_grad_values")
    inputs = {"indices": np.array([2, 0, 2]), "weight": TABLE}
    answer = workers("paddle").ask(Call(Operation.EMBEDDING, inputs, {"sparse": True}, observed))
    assert isinstance(answer, Answered), answer
    np.testing.assert_array_equal(answer.arrays["sparse_grad_rows"], [2, 0, 2])
    np.testing.assert_array_equal(answer.arrays["sparse_grad_values"], np.ones((3, 4)))
    np.testing.assert_array_equal(answer.arrays["grad_weight"], np.outer([1, 0, 2], np.ones(4)))


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        *(("onnxruntime", "onnx"), ("onnx", "onnx"), ("cupy", "cupy"), ("no_such", None)),
        *(("fbgemm_gpu", "fbgemm"), ("tensorflow", "tensorflow"), ("torch", "torch")),
    ],
)
def test_the_extra_that_brings_a_module_is_named(module, extra):
    """The extra that installs a module is found by its requirements or by its own name."""
    assert extra_that_brings(module) == extra


@pytest.mark.parametrize(
    ("module", "backend", "extra"),
    [
        ("torch", "fbgemm-default@cuda", "fbgemm"),
        ("torch", "onnxruntime-dynamo", "onnx"),
        ("torch", "torchscript-script", "torch"),
        ("keras", "keras-jax", "keras-jax"),
        ("torch", "a-new-one", "torch"),
    ],
)
def test_the_extra_is_the_one_that_brings_all_of_a_backend(module, backend, extra):
    """Of several extras that install a module, the one named like the backend is chosen."""
    assert extra_that_brings(module, backend) == extra


@pytest.mark.parametrize(
    "entry", [b"graph", export_cache.Refusal("ExportError", "torch.onnx", "no")]
)
def test_a_cached_export_comes_back(tmp_path, entry):
    """A cached graph or refusal is found by its key, and by no other key."""
    export_cache.store(tmp_path, "key", entry)
    assert export_cache.load(tmp_path, "key") == entry
    assert export_cache.load(tmp_path, "other") is None


def test_a_damaged_cached_export_is_made_again(tmp_path):
    """A cache file whose bytes do not match its name counts as absent, and is replaced."""
    export_cache.store(tmp_path, "key", b"graph")
    (damaged,) = tmp_path.iterdir()
    damaged.write_bytes(b"gra")
    assert export_cache.load(tmp_path, "key") is None
    export_cache.store(tmp_path, "key", b"graph")
    assert export_cache.load(tmp_path, "key") == b"graph"


def test_a_refusal_keeps_its_name():
    """A cached refusal is raised under the exception name that the exporter gave it."""
    error = export_cache.Refusal("TorchExportError", "torch.onnx", "no").error()
    assert (type(error).__name__, str(error)) == ("TorchExportError", "no")


def test_what_does_not_compile_has_nothing_else_run_eagerly(workers):
    """After a call that does not compile, later calls are still compiled.

    A compiled one_hot takes 32-bit indices, which an eager one refuses.
    """
    pytest.importorskip("torch")
    worker = workers("torch-compile")
    inputs = {"indices": np.array([2, 0]), "weight": TABLE}
    worker.ask(Call(Operation.EMBEDDING, inputs, {"sparse": True, "padding_idx": 1}, GRADIENT))
    narrow = {"indices": np.array([2, 0], np.int32)}
    answer = worker.ask(Call(Operation.ONE_HOT, narrow, {"num_classes": 3}, ("output",)))
    assert isinstance(answer, Answered), answer
