"""Ask backends a user's own call, and time it, for `embcheck migrate --table`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.execution.client import BackendBroken, BackendUnavailable, WorkerClient
from embcheck.conformance.execution.judging.judge import judge_returns
from embcheck.conformance.execution.judging.verdict import Outcome, Verdict
from embcheck.conformance.execution.pool import REFERENCE
from embcheck.conformance.execution.protocol.answers import Answer, Answered, why_none
from embcheck.conformance.suite.model import FromReference
from embcheck.conformance.timing.clock.arms import CANDIDATE, Arm
from embcheck.conformance.timing.clock.schedule import ArmLost
from embcheck.conformance.timing.workloads.load import Workload
from embcheck.conformance.timing.workloads.own import Sources, own_workload
from embcheck.conformance.timing.workloads.own_files import BadInput
from embcheck.conformance.timing.workloads.traces import make_inputs
from embcheck.reports.migration.errors import distance
from embcheck.reports.migration.own import OwnAnswer

AT_ONCE = 2
"""The number of backends that are asked at the same time."""


Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class OwnAnswers:
    """A backend's answers to each call, and the seconds of a call in the steady state."""

    answers: tuple[OwnAnswer, ...]
    library: str = ""
    seconds: float = 0.0


def own_workloads(files: Sources, dtypes: Sequence[str]) -> list[Workload]:
    """Read a user's arrays, and make a workload for each table dtype; raise BadInput.

    Without `dtypes`, it is the table's own dtype.
    """
    found = [
        own_workload(replace(files, dtype=dtype)) for dtype in dict.fromkeys(dtypes) or (None,)
    ]
    if len(found) == 1:
        return found
    return [replace(workload, id=f"{workload.id}, {workload.dtype}") for workload in found]


def call_of(workload: Workload) -> Call:
    """Return the call of a user's own workload: the whole trace at once."""
    return make_inputs(workload, workload.profiles["quick"], 1).call(0)


class Asking:
    """The same calls for all backends, by table dtype; answers are compared with the first's."""

    def __init__(self, calls: Mapping[str, Call], timeout: float) -> None:
        """Ask the reference for the right answers; raise BadInput if it does not answer."""
        self._calls, self._timeout = calls, timeout
        self._rounded, self._exact = _define(calls, timeout)
        self._first: Arrays | None = None

    def ask(self, backends: Sequence[str]) -> dict[str, OwnAnswers]:
        """Ask each backend in a process of its own."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = dict(zip(backends, pool.map(self._ask, backends), strict=True))
        # Kept for the recipes, which are asked later and compared with the same answers.
        if self._first is None:
            self._first = found[backends[0]][1]
        first = self._first
        return {
            name: replace(asked, answers=tuple(_beside(one, own, first) for one in asked.answers))
            for name, (asked, own) in found.items()
        }

    def _ask(self, name: str) -> tuple[OwnAnswers, Arrays]:
        """Ask one backend; return also its outputs, by dtype."""
        client = WorkerClient(name, timeout=self._timeout)
        outputs: dict[str, np.ndarray] = {}
        try:
            answers = [self._answer(client, dtype, outputs) for dtype in self._calls]
            right = [self._calls[one.dtype] for one in answers if one.is_right]
            # Only right answers are timed, so only their calls are measured.
            seconds = max((_steady(client, call) for call in right), default=0.0)
            return OwnAnswers(tuple(answers), client.info.library, seconds), outputs
        except BackendUnavailable as reason:
            verdict = Verdict(Outcome.NOT_RUN, message=str(reason))
        except BackendBroken as reason:
            verdict = Verdict(Outcome.ERRORED, message=str(reason))
        finally:
            client.close()
        return OwnAnswers(tuple(_answer(name, dtype, verdict) for dtype in self._calls)), {}

    def _answer(
        self, client: WorkerClient, dtype: str, outputs: dict[str, np.ndarray]
    ) -> OwnAnswer:
        """Ask and judge one call; keep the output, if there is one."""
        call, rounded = self._calls[dtype], {"output": self._rounded[dtype]}
        lack = client.info.lacks(call)
        if lack is not None:
            return _answer(client.name, dtype, Verdict(Outcome.UNSUPPORTED, message=lack))
        # The inputs are observed afterwards too, which a timing does not ask for.
        answer = client.ask(replace(call, observe=(*call.observe, Observation.INPUTS_AFTER)))
        # Judged as the suite judges a case whose result is the reference's, with the same error
        # bounds.
        wanted = {"output": FromReference()}
        verdict = judge_returns(call, answer, wanted, None, lambda: rounded)
        if isinstance(answer, Answered) and "output" in answer.arrays:
            outputs[dtype] = answer.arrays["output"]
        return _answer(client.name, dtype, verdict, outputs.get(dtype), self._exact[dtype])


def _define(calls: Mapping[str, Call], timeout: float) -> tuple[Arrays, Arrays]:
    """Return the documented answers, in the table's dtype and in double precision, by dtype."""
    client = WorkerClient(REFERENCE, timeout=timeout)
    try:
        rounded = {dtype: _output(client.ask(call)) for dtype, call in calls.items()}
        exact = {dtype: _output(client.ask(_wide(call))) for dtype, call in calls.items()}
    finally:
        client.close()
    return rounded, exact


def _wide(call: Call) -> Call:
    # The same call on the same values in double precision, so that only the rounding differs.
    kept = ("indices", "offsets")
    inputs = {n: a if n in kept else a.astype(np.float64) for n, a in call.inputs.items()}
    return replace(call, inputs=inputs)


def _output(answer: Answer) -> np.ndarray:
    if not isinstance(answer, Answered):
        what = f"the NumPy reference does not answer this call: {why_none(answer)}"
        raise BadInput(what[:300], "ask about a shorter trace")
    return answer.arrays["output"]


def _answer(
    name: str,
    dtype: str,
    verdict: Verdict,
    output: np.ndarray | None = None,
    exact: np.ndarray | None = None,
) -> OwnAnswer:
    kind = None if verdict.kind is None else str(verdict.kind)
    found = OwnAnswer(name, dtype, str(verdict.outcome), kind, verdict.message)
    if output is None or exact is None:
        return found
    sizes = " x ".join(f"{size:,}" for size in output.shape)
    form = f"{output.dtype.name} {sizes}"
    # Integers and complex numbers are wrong anyway: a distance would say nothing more.
    if output.shape != exact.shape or output.dtype.kind in "biuc":
        return replace(found, form=form)
    return replace(found, form=form, error=distance(output, exact, np.dtype(dtype)))


def _beside(answer: OwnAnswer, outputs: Arrays, first: Arrays) -> OwnAnswer:
    """Add how far an answer is from the first backend's."""
    dtype = answer.dtype
    if outputs is first or answer.error is None or dtype not in first:
        return answer
    if first[dtype].shape != outputs[dtype].shape or not np.isfinite(first[dtype]).all():
        return answer
    return replace(answer, apart=distance(outputs[dtype], first[dtype], np.dtype(dtype)))


def _steady(client: WorkerClient, call: Call) -> float:
    """Return the seconds of a second call; 0 if the call cannot be held, as timing will report."""
    arm = Arm(client.name, client.name, CANDIDATE, client)
    try:
        life = arm.hold(0, call, {})
        arm.drop()
    except ArmLost:
        return 0.0
    return float(life.get("second_call_seconds", 0.0))


def asked_right(asked: Mapping[str, OwnAnswers], backends: Iterable[str]) -> list[str]:
    """Return the backends that are right for some dtype: those that can be timed."""
    return [name for name in backends if any(one.is_right for one in asked[name].answers)]
