"""Lookups that an adapter composes of a library's parts, and which calls it declines."""

from __future__ import annotations

import numpy as np
import pytest

from embcheck.backends.composed.composition import source
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.protocol.answers import NotSupported, Rejected

TABLE = np.array([[1, -2, 3, 0], [5, 4, -3, 8], [-1, 7, 2, 6], [9, 0, 1, -5]], np.float32)
COORDINATES = "csr_array((data, (row_ind, col_ind)), shape=(M, N))  # raises"
COMPOSED = ("scipy-csr", "numba", "triton-interpreter")


def bags(indices, offsets=None, mode="sum", **options):
    """Make a call of embedding_bag."""
    inputs = {"weight": TABLE.copy(), "indices": np.array(indices)}
    if offsets is not None:
        inputs["offsets"] = np.array(offsets)
    options = {"mode": mode, **options}
    return Call(Operation.EMBEDDING_BAG, inputs, options, ("output", "inputs_after"))


@pytest.mark.parametrize("backend", COMPOSED)
@pytest.mark.parametrize(
    ("indices", "offsets"), [([1, 2], [[0, 1]]), ([1, 2], 0), ([1, 2], None), ([[[1, 2]]], None)]
)
def test_bounds_that_nobody_can_tell_are_unsupported(workers, backend, indices, offsets):
    """A call whose bags are not defined is unsupported: any error would not be the library's."""
    assert isinstance(workers(backend).ask(bags(indices, offsets)), NotSupported)


def test_scipy_told_coordinates_gives_the_same_and_looks_at_indices(workers):
    """SciPy's constructor by coordinates gives the same answers, and checks the indices."""
    worker = workers("scipy-csr")
    lookup = Call(
        Operation.EMBEDDING,
        {"weight": TABLE.copy(), "indices": np.array([[3, 0]])},
        {},
        ("output",),
    )
    classes = Call(
        Operation.ONE_HOT, {"indices": np.array([2, 0])}, {"num_classes": 3}, ("output",)
    )
    for call in (lookup, classes, bags([1, 2, 0], [0, 1]), bags([[1, 2], [0, 0]], mode="mean")):
        own, other = worker.ask(call), worker.ask(call, spelling=COORDINATES)
        np.testing.assert_array_equal(own.arrays["output"], other.arrays["output"])
    for index in (4, -1):
        answer = worker.ask(bags([[1, index]]), spelling=COORDINATES)
        assert isinstance(answer, Rejected)
        assert f"index {index}" in answer.message or f"index: {index}" in answer.message


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_openvino_is_asked_for_the_last_offset(workers, mode):
    """For OpenVINO the last offset is sliced off by the adapter, and the result says so."""
    call = bags([1, 2, 0, 3], [0, 2, 2, 4], mode, include_last_offset=True)
    answer = workers("openvino-ops").ask(call)
    expected = [getattr(TABLE[[1, 2]], mode)(axis=0), 0 * TABLE[0]]
    expected.append(getattr(TABLE[[0, 3]], mode)(axis=0))
    np.testing.assert_array_equal(answer.arrays["output"], expected)
    assert "slices the last offset off" in answer.details["helped"]


@pytest.mark.parametrize("offsets", [None, [0, 2]])
def test_openvino_is_asked_for_maxima(workers, offsets):
    """For OpenVINO the adapter computes maxima itself, and the result says so."""
    indices = np.array([[1, 2], [0, 3]])
    answer = workers("openvino-ops").ask(
        bags(indices if offsets is None else indices.ravel(), offsets, "max")
    )
    np.testing.assert_array_equal(answer.arrays["output"], TABLE[indices].max(axis=1))
    assert any("maxima" in line for line in answer.details["helped"])


@pytest.mark.parametrize("options", [{"max_norm": 1.0}, {"include_last_offset": True}])
def test_openvino_refuses_what_its_converter_does_not_know(workers, options):
    """OpenVINO's converter itself refuses options of PyTorch's module that it does not know."""
    answer = workers("openvino-torch").ask(bags([1, 2, 0], [0, 3], **options))
    assert isinstance(answer, Rejected)


def doubled(array):
    """Double an array."""
    return 2 * array


def summed(array, change=doubled):
    """Sum the result of another function of this file."""
    return change(array).sum()


def weighed(array):
    """Use another function of this file twice, and one of NumPy."""
    return summed(array) + np.maximum(summed(array), 0)


def test_a_function_is_shown_with_what_it_uses():
    """A function's source includes the functions it uses, each once and in order of need.

    Functions in defaults count too; imported ones do not.
    """
    text = source(weighed, doubled)
    names = [line for line in text.splitlines() if line.startswith("def ")]
    assert names == [
        "def doubled(array):",
        "def summed(array, change=doubled):",
        "def weighed(array):",
    ]
    shown = {"np": np}
    exec(text, shown)
    assert shown["weighed"](np.array([1, -3])) == -4
