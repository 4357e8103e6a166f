"""Backends that train in place: each judged answer is that of a first step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from embcheck.backends.reference.numpy_reference import NumpyReference
from embcheck.conformance.execution.inside.held import HeldCalls


class TrainsInPlace:
    """A backend that updates the caller's own table in each call, as PyTorch does."""

    info = NumpyReference.info

    def prepare(self, call):
        weight, indices = call.inputs["weight"], call.inputs["indices"]

        def step():
            output = weight[indices]
            np.subtract.at(weight, indices, call.inputs["grad_output"])
            return {"output": output, "trained_weight": weight}

        return step

    def to_numpy(self, answer):
        return answer


class TrainsACopy(TrainsInPlace):
    """A backend that trains a copy of the table, made when it prepares the call, as Paddle does."""

    def prepare(self, call):
        weight = call.inputs["weight"].copy()
        return super().prepare(replace(call, inputs={**call.inputs, "weight": weight}))


CALL = {"operation": "embedding", "options": {}, "observe": ["output", "trained_weight"]}


@pytest.mark.parametrize("backend", [TrainsInPlace, TrainsACopy])
def test_every_judged_answer_is_a_first_step(backend):
    """An answer that is asked for is that of a first step, after any number of timed steps."""
    held = HeldCalls(backend())
    table, upstream = np.ones((4, 2), np.float32), np.full((2, 2), 0.5, np.float32)
    held.store({}, {"weight": table.copy(), "grad_output": upstream})
    expected = table.copy()
    expected[[1, 3]] -= 0.5
    header = {"call": CALL, "stored": ["weight", "grad_output"], "id": 0}
    held.hold(header, {"indices": np.array([1, 3])})
    _, home = held.answer({"id": 0}, {})
    np.testing.assert_array_equal(home["trained_weight"], expected)
    held.settle({"ids": [0]}, {})
    held.time_block({"ids": [0], "start": 0, "calls": 5}, {})
    _, home = held.answer({"id": 0}, {})
    assert not np.array_equal(home["trained_weight"], expected)
    _, home = held.answer({"id": 0, "again": True}, {})
    np.testing.assert_array_equal(home["trained_weight"], expected)
    _, home = held.poison({"id": 0}, {})
    np.testing.assert_array_equal(home["trained_weight"], expected)
    _, home = held.probe({"id": 0, "position": 0, "row": 2}, {})
    assert home["trained_weight"][2].tolist() == [0.5, 0.5]
    assert home["trained_weight"][1].tolist() == [1, 1]
