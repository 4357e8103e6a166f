"""What TensorFlow's adapters and LiteRT's owe the contract besides; skipped where they are absent.

`nox -s "conformance(tensorflow-eager)"` and the like run the suite on them in their environment.
"""

from __future__ import annotations

import numpy as np
import pytest

from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.execution.client import (
    Answered,
    BackendUnavailable,
    NotSupported,
    Rejected,
    WorkerClient,
)

TABLE = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
BAGS = {"weight": TABLE, "indices": np.array([0, 1, 2]), "offsets": np.array([0, 2, 3])}


@pytest.fixture
def ask(tmp_path):
    """Return a function that asks a fresh worker of a backend, or skips where there is none."""
    clients = []

    def asked(backend, call):
        client = WorkerClient(backend, timeout=300, environment={"EMBCHECK_CACHE": str(tmp_path)})
        clients.append(client)
        try:
            assert client.info.id == backend
        except BackendUnavailable as reason:
            pytest.skip(str(reason))
        return client.ask(call)

    yield asked
    for client in clients:
        client.close()


@pytest.mark.parametrize("backend", ["tensorflow-eager@cuda", "tensorflow-xla@cuda"])
def test_a_gpu_that_is_absent_is_said(backend):
    """Without a GPU, or without TensorFlow, there is no such backend, and a reason is given."""
    client = WorkerClient(backend, timeout=300)
    try:
        said = client.info.device
    except BackendUnavailable as reason:
        said = str(reason)
    client.close()
    assert any(words in said for words in ("cuda", "finds no GPU", "tensorflow"))


@pytest.mark.parametrize("backend", ["tensorflow-eager", "tensorflow-xla", "litert"])
def test_a_bag_without_entries_keeps_its_row(ask, backend):
    """The sum of an empty bag at the end is there, and zero."""
    answer = ask(backend, Call(Operation.EMBEDDING_BAG, BAGS, {"mode": "sum"}))
    assert isinstance(answer, Answered), answer
    np.testing.assert_array_equal(answer.arrays["output"], [[4, 6], [5, 6], [0, 0]])


@pytest.mark.parametrize("backend", ["tensorflow-eager", "tensorflow-xla"])
def test_gradients_are_those_of_the_library(ask, backend):
    """The gradient of a lookup is stored by rows, duplicates included, and trains by its sum."""
    wanted = (
        *(Observation.GRAD_WEIGHT, Observation.SPARSE_GRAD_ROWS),
        *(Observation.GRAD_WEIGHT_IS_SPARSE, Observation.TRAINED_WEIGHT),
    )
    inputs = {"weight": TABLE, "indices": np.array([2, 0, 2], np.int32)}
    answer = ask(backend, Call(Operation.EMBEDDING, inputs, {}, wanted))
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
def test_what_has_no_spelling_is_said_before_the_call(ask, backend, call):
    """An adapter that cannot express a call says so, which is no refusal."""
    assert isinstance(ask(backend, call), NotSupported)


def test_a_damaged_model_is_converted_again(ask, tmp_path):
    """A model on the disk whose bytes changed is not believed; one that is whole is."""
    call = Call(Operation.EMBEDDING, {"weight": TABLE, "indices": np.array([2, 0])})
    assert isinstance(ask("litert", call), Answered)
    (model,) = (tmp_path / "litert").glob("*.graph")
    whole = model.read_bytes()
    model.write_bytes(whole[:100])
    answer = ask("litert", call)
    assert isinstance(answer, Answered), answer
    np.testing.assert_array_equal(answer.arrays["output"], TABLE[[2, 0]])
    assert [path.read_bytes() for path in (tmp_path / "litert").glob("*.graph")] == [whole]


def test_a_model_serves_calls_of_other_sizes(ask, tmp_path):
    """Sizes are open: a second call of other sizes, and the same types, needs no conversion."""
    for rows, indices in ((TABLE, [2, 0]), (np.ones((9, 4), np.float32), [8, 8, 1])):
        call = Call(Operation.EMBEDDING, {"weight": rows, "indices": np.array(indices)})
        answer = ask("litert", call)
        assert isinstance(answer, Answered), answer
        np.testing.assert_array_equal(answer.arrays["output"], rows[indices])
    assert len([*(tmp_path / "litert").glob("*.graph")]) == 1


def test_what_the_converter_refuses_is_a_refusal(ask):
    """LiteRT has no lookup of double precision: the converter's own words are told."""
    inputs = {"weight": TABLE.astype(np.float64), "indices": np.array([2, 0])}
    answer = ask("litert", Call(Operation.EMBEDDING, inputs))
    assert isinstance(answer, Rejected), answer
    assert answer.exception == "ConverterError"
