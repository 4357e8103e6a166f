"""The checks of the thunk, by the same gate as every timing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from embcheck.conformance.contract.call import Call, Observation, Operation, with_inputs
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.execution.protocol.answers import Answered
from embcheck.conformance.smoke.finding import CheckResult, Status, findings_or
from embcheck.conformance.smoke.questions import Question
from embcheck.conformance.timing.clock.arms import CANDIDATE, Arm
from embcheck.conformance.timing.clock.gate import Oracle, Standard, admit
from embcheck.conformance.timing.clock.schedule import ArmLost
from embcheck.conformance.timing.workloads.traces import IndexChange, Inputs

ROWS, COLUMNS, LOOKUPS, BAG = 2000, 64, 10_000, 100
CLASSES = 64
ADVICE = "the thunk does the whole call anew each time, and returns when the answer exists"


class NoAnswer(Exception):
    """A call was not answered; the message says how it ended."""


def check_thunk(
    client: WorkerClient, spare: Callable[[], WorkerClient], answered: Iterable[Question]
) -> list[CheckResult]:
    """Check that timings can use the thunk, by a larger call of each kind that was answered.

    The expected answer is the backend's own to a fresh call, right or wrong. `spare` makes a second
    worker of the backend, in which a suspicious answer is confirmed.
    """
    found: list[CheckResult] = []
    names = []
    for question in answered:
        if question.call.operation.is_fresh:
            continue  # Each module draws its own weight, so no two answers are the same.
        found += _faults(client, spare, question)
        names.append(question.title)
    message = "does the whole call, waits for its answer, and can be called again"
    if not names:
        said = "each fresh module answers differently, and no other operation is declared"
        return [CheckResult(Status.INFO, "thunk", f"not checked: {said}")]
    return findings_or(found, "thunk", f"{message}: {', '.join(names)}")


def _faults(
    client: WorkerClient, spare: Callable[[], WorkerClient], question: Question
) -> Iterator[CheckResult]:
    inputs = _inputs(_enlarged(question.call))
    arm = Arm(question.title, client.name, CANDIDATE, client, spare=spare)
    try:
        oracle = Oracle((_fresh(client, inputs.call(0)),), _fresh(client, inputs.changed_call()))
        _check_follows(oracle)
        admit(arm, inputs, oracle)
    except NoAnswer as reason:
        said = f"{question.title}, {LOOKUPS:,} lookups: not answered: {reason}"
        yield CheckResult(
            Status.WARN, "thunk", said, "smaller calls were; see what the size changes"
        )
    except ArmLost as reason:
        yield CheckResult(Status.FAIL, "thunk", f"{question.title}: {reason}", ADVICE)
    finally:
        # The worker keeps an arm's call until it is dropped.
        arm.drop()


def _check_follows(oracle: Oracle) -> None:
    if oracle.traces[0].agrees(oracle.changed.expected):
        raise ArmLost("changing one index does not change the answer of a fresh call")


def _fresh(client: WorkerClient, call: Call) -> Standard:
    answer = client.ask(call)
    if not isinstance(answer, Answered):
        raise NoAnswer(str(getattr(answer, "message", answer)))
    arrays = {name: answer.arrays[name] for name in call.observe}
    if not any(array.size for array in arrays.values()):
        raise NoAnswer("the answer has no elements, so nothing can be compared")
    return Standard(call, arrays)


def _enlarged(call: Call) -> Call:
    """Return a call of the same kind that is large enough to take time."""
    random = np.random.Generator(np.random.PCG64(7))
    rows = CLASSES if call.operation is Operation.ONE_HOT else ROWS
    indices = random.integers(rows, size=LOOKUPS)
    arrays: dict[str, np.ndarray] = {"indices": indices}
    if "weight" in call.inputs:
        arrays["weight"] = random.uniform(-1, 1, (rows, COLUMNS)).astype(np.float32)
    if "offsets" in call.inputs:
        arrays["offsets"] = np.arange(0, LOOKUPS, BAG)
    elif call.operation.is_bag:
        arrays["indices"] = indices.reshape(-1, BAG)
    options = dict(call.options)
    if "num_classes" in options:
        options["num_classes"] = CLASSES
    enlarged = with_inputs(call, **arrays)
    return Call(call.operation, enlarged.inputs, options, (Observation.OUTPUT,))


def _inputs(call: Call) -> Inputs:
    """Describe a call as the timing gate's inputs."""
    shared = {name: array for name, array in call.inputs.items() if name == "weight"}
    trace = {name: array for name, array in call.inputs.items() if name != "weight"}
    indices = trace["indices"].reshape(-1)
    position = indices.size // 2
    # The next row, so that every number of one answer changes, and nothing else.
    limit = len(shared["weight"]) if shared else CLASSES
    change = IndexChange(position, int((indices[position] + 1) % limit))
    return Inputs(replace(call, inputs={}), shared, (trace,), change)
