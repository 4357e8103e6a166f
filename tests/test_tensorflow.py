"""The adapters of TensorFlow and LiteRT: behaviour that the suite does not test.

These tests are skipped where the libraries are absent. Sessions such as `nox -s
"conformance(tensorflow-eager)"` run them, and the suite, in their environment.
"""

from __future__ import annotations

import numpy as np
import pytest

from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.execution.client import BackendUnavailable, WorkerClient
from embcheck.conformance.execution.protocol.answers import Answered, NotSupported, Rejected

TABLE = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
BAGS = {"weight": TABLE, "indices": np.array([0, 1, 2]), "offsets": np.array([0, 2, 3])}


@pytest.mark.parametrize("backend", ["tensorflow-eager@cuda", "tensorflow-xla@cuda"])
def test_a_gpu_that_is_absent_is_said(backend):
    """Without a GPU or TensorFlow, the `@cuda` backends are unavailable with a reason."""
    client = WorkerClient(backend, timeout=300)
    try:
        said = client.info.device
    except BackendUnavailable as reason:
        said = str(reason)
    client.close()
    assert any(words in said for words in ("cuda", "finds no GPU", "tensorflow"))


@pytest.mark.parametrize("backend", ["tensorflow-eager", "tensorflow-xla", "litert"])
def test_a_bag_without_entries_keeps_its_row(workers, backend):
    """An empty bag at the end has a row of zeros."""
    answer = workers(backend).ask(Call(Operation.EMBEDDING_BAG, BAGS, {"mode": "sum"}))
    assert isinstance(answer, Answered), answer
    np.testing.assert_array_equal(answer.arrays["output"], [[4, 6], [5, 6], [0, 0]])


@pytest.mark.parametrize("backend", ["tensorflow-eager", "tensorflow-xla"])
def test_gradients_are_those_of_the_library(workers, backend):
    """The gradient of a lookup is stored by rows, with duplicates, and training uses their sum."""
    wanted = (
        *(Observation.GRAD_WEIGHT, Observation.SPARSE_GRAD_ROWS),
        *(Observation.GRAD_WEIGHT_IS_SPARSE, Observation.TRAINED_WEIGHT),
    )
    inputs = {"weight": TABLE, "indices": np.array([2, 0, 2], np.int32)}
    answer = workers(backend).ask(Call(Operation.EMBEDDING, inputs, {}, wanted))
    assert isinstance(answer, Answered), answer
    gradient = np.array([[1, 1], [0, 0], [2, 2]], np.float32)
    np.testing.assert_array_equal(answer.arrays["grad_weight"], gradient)
    np.testing.assert_array_equal(answer.arrays["trained_weight"], TABLE - gradient)
    np.testing.assert_array_equal(answer.arrays["sparse_grad_rows"], np.array([2, 0, 2]))
    assert answer.arrays["grad_weight_is_sparse"]


@pytest.mark.parametrize(
    ("backend", "call"),
    [
        ("tensorflow-eager", Call(Operation.ONE_HOT, {"indices": np.array([1])})),
        ("tensorflow-eager", Call(Operation.EMBEDDING, BAGS, {"max_norm": 1.0, "norm_type": 1.0})),
        ("tensorflow-xla", Call(Operation.EMBEDDING_BAG, BAGS, {"mode": "median"})),
        ("litert", Call(Operation.EMBEDDING, BAGS, {}, ("grad_weight",))),
    ],
)
def test_what_has_no_spelling_is_said_before_the_call(workers, backend, call):
    """A call that an adapter cannot express is unsupported, which does not count as a refusal."""
    assert isinstance(workers(backend).ask(call), NotSupported)


def models(cache):
    """Return the cached models by path."""
    return {path: path.read_bytes() for path in (cache / "litert").glob("*.bin")}


def test_a_damaged_model_is_converted_again(workers, cache):
    """A damaged model in the cache is not used, and is converted again."""
    call = Call(Operation.EMBEDDING, {"weight": TABLE, "indices": np.array([2, 0])})
    assert isinstance(workers("litert").ask(call), Answered)
    whole = models(cache)
    assert whole
    for path, model in whole.items():
        path.write_bytes(model[:100])
    answer = workers("litert").ask(call)
    assert isinstance(answer, Answered), answer
    np.testing.assert_array_equal(answer.arrays["output"], TABLE[[2, 0]])
    (made,) = (path for path, model in models(cache).items() if len(model) > 100)
    assert models(cache)[made] == whole[made]


def test_a_model_serves_calls_of_other_sizes(workers, cache):
    """A converted model is used for calls of other sizes with the same dtypes."""
    kept = []
    for rows, indices in ((TABLE, [2, 0]), (np.ones((9, 4), np.float32), [8, 8, 1])):
        call = Call(Operation.EMBEDDING, {"weight": rows, "indices": np.array(indices)})
        answer = workers("litert").ask(call)
        assert isinstance(answer, Answered), answer
        np.testing.assert_array_equal(answer.arrays["output"], rows[indices])
        kept.append(models(cache))
    assert kept[0] == kept[1] != {}


def test_what_the_converter_refuses_is_a_refusal(workers):
    """A refusal by LiteRT's converter counts as a refusal, with its own message."""
    inputs = {"weight": TABLE.astype(np.float64), "indices": np.array([2, 0])}
    answer = workers("litert").ask(Call(Operation.EMBEDDING, inputs))
    assert isinstance(answer, Rejected), answer
    assert answer.exception == "ConverterError"
