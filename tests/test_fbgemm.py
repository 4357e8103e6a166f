"""FBGEMM's tables and TorchRec's collections: how PyTorch's calls are translated to theirs."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.execution.client import BackendUnavailable, WorkerClient
from embcheck.conformance.execution.protocol.answers import Answered, NotSupported, Rejected

TABLE = np.arange(1, 17, dtype=np.float32).reshape(4, 4)
FUSED = ("fbgemm-default", "fbgemm-fatal")
ALL = (*FUSED, "fbgemm-dense", "torchrec")
SEEN = ("output", "inputs_after")


def bags(indices, offsets=None, observe=SEEN, operation=Operation.EMBEDDING_BAG, **options):
    """Make a call that sums bags."""
    inputs = {"weight": TABLE.copy(), "indices": np.array(indices)}
    if offsets is not None:
        inputs["offsets"] = np.array(offsets)
    return Call(operation, inputs, {"mode": "sum", **options}, observe)


def rows(indices, observe=SEEN, table=TABLE):
    """Make a call of embedding."""
    inputs = {"weight": table.copy(), "indices": np.array(indices)}
    return Call(Operation.EMBEDDING, inputs, {}, observe)


@pytest.mark.parametrize("backend", ALL)
def test_offsets_are_given_as_the_library_wants_them(workers, backend):
    """Offsets are completed by the number of indices, and a matrix of indices becomes offsets."""
    wanted = [TABLE[1] + TABLE[2], TABLE[0]]
    for call in (
        bags([1, 2, 0], [0, 2]),
        bags([1, 2, 0], [0, 2, 3], include_last_offset=True),
        bags([[1, 2, 0]]),
    ):
        answer = workers(backend).ask(call)
        assert isinstance(answer, Answered), answer
        expected = wanted if "offsets" in call.inputs else [sum(wanted)]
        np.testing.assert_array_equal(answer.arrays["output"], expected)
        for name, array in call.inputs.items():
            np.testing.assert_array_equal(answer.arrays[f"{name}_after"], array)


@pytest.mark.parametrize("backend", ALL)
@pytest.mark.parametrize("indices", [3, [2, 0, 2], [[0, 3], [1, 1]], np.zeros((2, 0), np.int64)])
def test_rows_have_the_shape_of_the_indices(workers, backend, indices):
    """Indices of any rank are looked up one by one."""
    answer = workers(backend).ask(rows(indices))
    np.testing.assert_array_equal(answer.arrays["output"], TABLE[np.array(indices)])


def test_the_default_mode_writes_to_the_callers_indices(workers):
    """The default mode sets a bad index to 0 in the caller's array too; FATAL mode refuses it."""
    answer = workers("fbgemm-default").ask(rows([2, 4]))
    np.testing.assert_array_equal(answer.arrays["indices_after"], [2, 0])
    np.testing.assert_array_equal(answer.arrays["output"], TABLE[[2, 0]])
    assert isinstance(workers("fbgemm-fatal").ask(rows([2, 4])), Rejected)


def test_the_default_mode_writes_to_the_callers_offsets(workers):
    """The default mode corrects bad offsets in the caller's own array."""
    answer = workers("fbgemm-default").ask(bags([1, 2], [0, 1, 5], include_last_offset=True))
    np.testing.assert_array_equal(answer.arrays["offsets_after"], [0, 1, 2])


@pytest.mark.parametrize("backend", FUSED)
def test_a_narrow_table_is_refused_by_the_library(workers, backend):
    """FBGEMM itself refuses a table whose columns are not a multiple of 4; no adapter pads it."""
    answer = workers(backend).ask(rows([0], table=TABLE[:, :2]))
    assert isinstance(answer, Rejected)
    assert "multiple of 4" in answer.message


@pytest.mark.parametrize("backend", [*FUSED, "fbgemm-dense"])
def test_a_step_of_adagrad_is_the_librarys(workers, backend):
    """A first Adagrad step changes each weight by 1, against the sign of its gradient."""
    call = bags(
        [[1, 1]],
        observe=(*SEEN, Observation.WEIGHT_TRAINED_BY_ADAGRAD),
        operation=Operation.EMBEDDING_BAG_FROM_PRETRAINED,
        freeze=False,
    )
    answer = workers(backend).ask(call)
    expected = TABLE - (np.arange(4) == 1)[:, None]
    trained = answer.arrays[Observation.WEIGHT_TRAINED_BY_ADAGRAD]
    np.testing.assert_allclose(trained, expected, rtol=1e-6)


@pytest.mark.parametrize("backend", ALL)
def test_what_the_adapter_would_refuse_is_no_refusal(workers, backend):
    """A call that fails in the adapter's own code is unsupported, not refused."""
    assert isinstance(workers(backend).ask(bags([1, 2], [[0, 1]])), NotSupported)
    assert isinstance(workers(backend).ask(rows([1], table=TABLE.reshape(2, 2, 4))), NotSupported)
    assert isinstance(workers(backend).ask(rows([1], table=TABLE[0])), NotSupported)


def test_bags_may_be_told_by_their_lengths(workers):
    """TorchRec's spelling by lengths gives the same sums as by offsets, also for no bags."""
    spelling = "KeyedJaggedTensor(keys, values, weights, lengths=lengths)"
    for call, expected in (
        (bags([1, 2, 0], [0, 2]), [TABLE[1] + TABLE[2], TABLE[0]]),
        (bags(np.zeros(0, np.int64), np.zeros(0, np.int64)), np.zeros((0, 4))),
    ):
        answer = workers("torchrec").ask(call, spelling=spelling)
        np.testing.assert_array_equal(answer.arrays["output"], expected)


@pytest.mark.parametrize("backend", ALL)
@pytest.mark.parametrize("freeze", [True, False])
def test_a_step_trains_what_is_not_frozen(workers, backend, freeze):
    """A step of SGD subtracts the gradient unless the table is frozen; fused ones cannot be."""
    call = bags(
        [[1, 1]],
        observe=(*SEEN, Observation.TRAINED_WEIGHT),
        operation=Operation.EMBEDDING_BAG_FROM_PRETRAINED,
        freeze=freeze,
    )
    answer = workers(backend).ask(call)
    if freeze and backend in FUSED:
        assert isinstance(answer, NotSupported)
        return
    expected = TABLE - (0 if freeze else 2 * (np.arange(4) == 1)[:, None])
    np.testing.assert_array_equal(answer.arrays["trained_weight"], expected)


@pytest.mark.parametrize("backend", ALL)
def test_a_mode_that_the_library_lacks_is_unsupported(workers, backend):
    """The mode max, which the library lacks, is unsupported rather than refused."""
    assert isinstance(workers(backend).ask(bags([[1, 2]], mode="max")), NotSupported)


@pytest.mark.parametrize("backend", ["fbgemm-dense", "torchrec"])
def test_the_gradient_has_the_shape_of_the_table(workers, backend):
    """The gradients have the shapes of the table and of per_sample_weights."""
    call = bags([[1, 1, 3]], observe=(*SEEN, "grad_weight", "grad_per_sample_weights"))
    call.inputs["per_sample_weights"] = np.array([[1, 2, 4]], np.float32)
    answer = workers(backend).ask(call)
    expected = np.array([0, 3, 0, 4], np.float32)[:, None].repeat(4, axis=1)
    np.testing.assert_array_equal(answer.arrays["grad_weight"], expected)
    sums = TABLE[[1, 1, 3]].sum(axis=1)
    np.testing.assert_array_equal(answer.arrays["grad_per_sample_weights"], [sums])


@pytest.mark.parametrize("backend", ALL)
def test_a_script_does_the_same_by_the_library_alone(workers, backend, tmp_path):
    """The script of a call gives the same answer as the adapter."""
    trained = {"operation": Operation.EMBEDDING_BAG_FROM_PRETRAINED, "freeze": False}
    calls = [
        bags([1, 2, 0], [0, 2], observe=("output", "weight_after")),
        bags([[1, 2], [0, 3]], observe=("output", "trained_weight"), **trained),
        rows([[0, 3]], observe=("output",)),
    ]
    lines = ["import numpy as np", "found = []"]
    for call in calls:
        arrays = [f"{n} = np.array({a.tolist()}, {a.dtype.name!r})" for n, a in call.inputs.items()]
        shown = ", ".join(f"({name!r}, {name}.tolist())" for name in call.observe)
        lines += [
            *arrays,
            workers(backend).script(call).details["script"],
            f"found.append(dict([{shown}]))",
        ]
    path = tmp_path / "script.py"
    path.write_text("\n".join([*lines, "print(found)"]))
    python = [sys.executable, "-W", "ignore", str(path)]
    done = subprocess.run(python, capture_output=True, text=True, check=True)
    answers = [workers(backend).ask(call).arrays for call in calls]
    shown = [
        {name: answer[name].tolist() for name in call.observe}
        for call, answer in zip(calls, answers, strict=True)
    ]
    assert done.stdout.splitlines()[-1] == str(shown)


@pytest.mark.parametrize("backend", ALL)
def test_without_a_gpu_the_variants_for_cuda_are_unavailable(backend):
    """Without a GPU the `@cuda` variants are unavailable and do not use the CPU."""
    client = WorkerClient(f"{backend}@cuda", timeout=300)
    try:
        said = client.info.device
    except BackendUnavailable as reason:
        said = str(reason)
    client.close()
    assert "cuda" in said.lower() or "is not installed" in said
