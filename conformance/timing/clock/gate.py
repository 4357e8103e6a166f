"""The gate: a backend is timed only if its answers are right, and computed by each call.

The thunks that will be timed must answer within the bound of `execution/judging/bounds.py` around
the float64 definition. One changed index must change the answer. The answer must exist when the
call returns, and must be computed anew by each call. After timing, the last timed answer is judged
again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import TRAINING_OBSERVATIONS, Call, Observation
from embcheck.conformance.execution.judging.bounds import bound
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.timing.clock.arms import Arm
from embcheck.conformance.timing.clock.freshness import left_to_the_reading, remembers
from embcheck.conformance.timing.clock.readiness import unready
from embcheck.conformance.timing.clock.schedule import ArmLost
from embcheck.conformance.timing.workloads.stored import looked_up, stored_call
from embcheck.conformance.timing.workloads.traces import IndexChange, Inputs

Arrays = Mapping[str, np.ndarray]

SAME_THUNK = "the timed call itself follows an index that changes in place"
SECOND_CALL = "a second call of the same shapes, with one index changed, has its own answer"
_AT_RANDOM = "in a block of random length, the last timed answer is wrong"
# Above the ids of the traces, which count from 0, so that none of them is replaced.
_CHANGED_ID = 10_000
OTHERS = 2
"""Changed indices beside the usual one. Several, because a maximum may not show each of them."""


@dataclass(frozen=True)
class Standard:
    """A call and the definition's answer to it."""

    call: Call
    expected: Arrays

    @cached_property
    def allowed(self) -> Mapping[str, np.ndarray]:
        """The largest allowed difference of each element, by observation."""
        return {name: _bound(name, self.call, array) for name, array in self.expected.items()}

    @property
    def trains(self) -> bool:
        """Whether the call changes the table, perhaps in place."""
        return self.call.wants(*TRAINING_OBSERVATIONS)

    def agrees(self, got: Arrays) -> bool:
        """Whether an answer is within the bound."""
        return self.complaint(got) is None

    def complaint(self, got: Arrays) -> str | None:
        """Say what is wrong with an answer; None if it is right."""
        for name, wanted in self.expected.items():
            array = got.get(name)
            if array is None:
                return f"{name} is not reported"
            if array.shape != wanted.shape or array.dtype != wanted.dtype:
                form = f"{array.dtype.name}{list(array.shape)}"
                return f"{name} is {form}, should be {wanted.dtype.name}{list(wanted.shape)}"
            # Exact answers need no bounds, which take longer to derive than the comparison does.
            if not np.array_equal(array, wanted):
                difference = np.abs(array.astype(np.float64) - wanted.astype(np.float64))
                # Not `difference > allowed`: NaN is wrong too.
                wrong = ~(difference <= self.allowed[name])
                if wrong.any():
                    return _describe_wrong(name, array, wanted, wrong)
        return None

    def errors(self, got: Arrays) -> dict[str, float]:
        """Return the error against the rounded float64 answer, in three measures.

        `largest_error_ulp` is in units in the last place of the expected element; cancellation can
        make it large. `largest_error_share_of_bound` is a share of the bound, which accounts for
        cancellation. `relative_rms_error` is the root mean square of the errors over that of the
        expected values.
        """
        ulp = share = rms = 0.0
        for name, wanted in self.expected.items():
            error = np.abs(got[name].astype(np.float64) - wanted.astype(np.float64))
            # As in `complaint`, no bounds are derived for exact answers.
            if not error.any():
                continue
            off = error > 0
            ulp = max(ulp, float(np.max(error / np.spacing(np.abs(wanted)), initial=0.0)))
            share = max(share, float(np.max(error[off] / self.allowed[name][off], initial=0.0)))
            size = _root_mean_square(wanted.astype(np.float64))
            # If all expected values are 0, no relative error exists; it counts as 100 %.
            rms = max(rms, _root_mean_square(error) / size if size else 1.0)
        return {
            "largest_error_ulp": ulp,
            "largest_error_share_of_bound": share,
            "relative_rms_error": rms,
        }


@dataclass(frozen=True)
class Changed:
    """A changed index of the first trace, and the definition's answer to it."""

    change: IndexChange
    standard: Standard


@dataclass(frozen=True)
class Oracle:
    """The definition's answers to each trace, and to the first one with one index changed.

    `others` are further changes, at random places.
    """

    traces: tuple[Standard, ...]
    changed: Standard
    others: tuple[Changed, ...] = ()

    @cached_property
    def _on_stored(self) -> dict[str, Oracle]:
        return {}

    def on_stored(self, scheme: str) -> Oracle:
        """Return the same answers, for calls on the table stored by a scheme.

        Made once, since its bounds are derived from the whole table.
        """
        if scheme not in self._on_stored:
            self._on_stored[scheme] = self._make_stored(scheme)
        return self._on_stored[scheme]

    def _make_stored(self, scheme: str) -> Oracle:
        def stored(standard: Standard) -> Standard:
            return Standard(stored_call(standard.call, scheme), standard.expected)

        return Oracle(
            tuple(map(stored, self.traces)),
            stored(self.changed),
            tuple(replace(one, standard=stored(one.standard)) for one in self.others),
        )

    def follows(self, got: Arrays, changed: Standard | None = None) -> bool:
        """Whether an answer is nearer to the one with the changed index than to the first trace's.

        The bound alone does not tell: for a long sum in a narrow dtype it may be wider than what
        one row contributes.
        """
        wanted = (changed or self.changed).expected
        return _distance(got, wanted) < _distance(got, self.traces[0].expected)


def ask_oracle(arm: Arm, inputs: Inputs) -> Oracle:
    """Ask the float64 definition; raises ArmLost, a fault of the harness, if it cannot answer."""
    try:
        arm.store(inputs.shared)
        calls = [inputs.call(trace) for trace in range(len(inputs.traces))]
        changes = [inputs.change, *_changes(inputs)]
        standards = []
        for call in (*calls, *(replace(inputs, change=one).changed_call() for one in changes)):
            # All under one id: each call of the definition is answered once, and never timed.
            arm.hold(0, call, inputs.shared)
            standards.append(Standard(call, arm.answer(0)))
        arm.drop()
    except ArmLost as reason:
        raise ArmLost(f"the reference gave no answer: {reason}", ExitCode.HARNESS) from None
    traces, (changed, *others) = standards[: len(calls)], standards[len(calls) :]
    # Nothing would then show whether a backend follows its indices.
    if _distance(changed.expected, traces[0].expected) == 0:
        raise ArmLost("one changed index leaves the expected answer as it is", ExitCode.HARNESS)
    shown = (
        Changed(change, standard)
        for change, standard in zip(changes[1:], others, strict=True)
        # A change may not show: a maximum, say, may be in another row.
        if _distance(standard.expected, traces[0].expected) > 0
    )
    return Oracle(tuple(traces), changed, tuple(shown))


def _changes(inputs: Inputs) -> list[IndexChange]:
    """Choose changes of one index each, at random."""
    # Not seeded: an adapter must not know where the next change will be.
    draw, first = random.SystemRandom(), inputs.call(0).inputs
    count, table = first["indices"].size, first["weight"]
    return [IndexChange(draw.randrange(count), draw.randrange(len(table))) for _ in range(OTHERS)]


def admit(arm: Arm, inputs: Inputs, oracle: Oracle) -> dict[str, Any]:
    """Prepare every trace's call and judge its answer; return the judgement, or raise ArmLost."""
    lack = arm.client.info.lacks(inputs.call(0))
    if lack is not None:
        raise ArmLost(f"unsupported: {lack}")
    arm.store(inputs.shared)
    largest: dict[str, float] = {}
    for trace, standard in enumerate(oracle.traces):
        life = arm.hold(trace, standard.call, inputs.shared)
        # Only that of the first trace: later ones may find what the first has compiled.
        arm.life = arm.life or life
        answer = arm.answer(trace)
        _require(standard, answer, "the answer is wrong")
        errors = standard.errors(answer)
        largest = {name: max(value, largest.get(name, 0.0)) for name, value in errors.items()}
    is_suspect = waits(arm, inputs, oracle)
    how = _follows_a_changed_index(arm, inputs, oracle)
    compute_anew(arm, 0, oracle.traces[0])
    # Only a library that reads its indices in place sees those that are written there.
    if how == SAME_THUNK:
        computes_what_is_new(arm, inputs, oracle)
    if arm.client.info.device == "cpu" and not oracle.traces[0].trains:
        answers_by_itself(arm)  # From a device, reading is a copy, for which a processor waits.
    return {"index_change": how, "suspected_once": int(is_suspect), **largest}


def admit_shape(arm: Arm, inputs: Inputs, standard: Standard) -> dict[str, float]:
    """Judge a call of another shape; return the seconds of its preparation and first call."""
    # The longer call may have an upstream gradient of its own, which the worker lacks.
    shared = {
        name: array for name, array in inputs.shared.items() if standard.call.inputs[name] is array
    }
    life = arm.hold(_CHANGED_ID, standard.call, shared)
    answer = arm.answer(_CHANGED_ID)
    arm.drop([_CHANGED_ID])
    _require(standard, answer, "with one more row or bag, the answer is wrong")
    names = ("prepare_seconds", "first_call_seconds")
    return {f"new_shape_{name}": life[name] for name in names}


def admit_sentinel(arm: Arm, inputs: Inputs) -> None:
    """Prepare the sentinel's gathers, which are timed but not judged."""
    arm.store(inputs.shared)
    for trace in range(len(inputs.traces)):
        arm.hold(trace, inputs.call(trace), inputs.shared)


def judge_last(arm: Arm, oracle: Oracle) -> None:
    """Judge the last timed answer, and check that a call computes it again; raises ArmLost.

    A call that trains may have taken many steps by then, so it is run again from the untrained
    table, and that answer is judged.
    """
    id_ = arm.last_id
    answer = arm.answer(id_, again=oracle.traces[id_].trains)
    _require(oracle.traces[id_], answer, "the last timed answer is wrong")
    compute_anew(arm, id_, oracle.traces[id_])


def compute_anew(arm: Arm, id_: int, standard: Standard) -> None:
    """Overwrite the last answer and call again: a remembered answer comes back overwritten."""
    again = arm.poison(id_)
    if again.details["remembered"]:
        raise ArmLost("the same answer comes twice: remembered, not computed", ExitCode.DEPARTS)
    _require(standard, again.arrays, "called again after its last answer was overwritten, it gives")


def judge_timed(arm: Arm, standard: Standard) -> None:
    """Judge the answer of a block's last call; raises ArmLost."""
    _require(standard, arm.answer(arm.last_id), _AT_RANDOM)


def computes_what_is_new(arm: Arm, inputs: Inputs, oracle: Oracle) -> None:
    """Check that calls on known indices are no cheaper than on new ones; raises ArmLost.

    A suspect is tried again in another worker.
    """
    said = _seen_in_two_workers(arm, inputs, oracle, lambda arm: remembers(arm, inputs))[1]
    if said is not None:
        raise ArmLost(f"answers are remembered: {said}; seen in two workers", ExitCode.DEPARTS)


def answers_by_itself(arm: Arm) -> None:
    """Check that the work is not left to the reading of an answer; raises ArmLost."""
    said = left_to_the_reading(arm)
    if said is not None:
        raise ArmLost(said, ExitCode.DEPARTS)


def waits(arm: Arm, inputs: Inputs, oracle: Oracle) -> bool:
    """Check that a call does not return before its answer exists; raises ArmLost.

    A suspect is tried again in another worker. Return whether the arm was suspected, but cleared.
    """

    def shows(arm: Arm) -> str | None:
        return unready(arm, lambda: _shows_a_late_change(arm, inputs, oracle))

    first, again = _seen_in_two_workers(arm, inputs, oracle, shows)
    if again is not None:
        raise ArmLost(f"{again}; seen in two workers", ExitCode.DEPARTS)
    return first is not None


def _seen_in_two_workers(
    arm: Arm, inputs: Inputs, oracle: Oracle, look: Callable[[Arm], str | None]
) -> tuple[str | None, str | None]:
    """Return the evidence in an arm's worker and, if there is any, that in a fresh worker."""
    first = look(arm)
    if first is None:
        return None, None
    with arm.another() as other:
        other.store(inputs.shared)
        other.hold(0, oracle.traces[0].call, inputs.shared)
        return first, look(other)


def _shows_a_late_change(arm: Arm, inputs: Inputs, oracle: Oracle) -> bool:
    """Whether an answer follows an index that was changed after its call had returned."""
    brought = arm.probe(0, inputs.change, late=True)
    return brought is not None and oracle.changed.agrees(brought) and oracle.follows(brought)


def _follows_a_changed_index(arm: Arm, inputs: Inputs, oracle: Oracle) -> str:
    """Check that the answer depends on the indices, with the timed thunk if the library allows it.

    A library that copied its inputs cannot see a change in place. It is asked for a second call,
    and then for the first again, which exposes answers that are remembered by shape.
    """
    probed = arm.probe(0, inputs.change)
    if probed is not None and oracle.changed.agrees(probed) and oracle.follows(probed):
        how = SAME_THUNK
        for other in oracle.others:
            _require_followed(oracle, other.standard, arm.probe(0, other.change))
    else:
        arm.hold(_CHANGED_ID, oracle.changed.call, inputs.shared)
        answer = arm.answer(_CHANGED_ID)
        arm.drop([_CHANGED_ID])
        if oracle.traces[0].agrees(answer) and not oracle.follows(answer):
            said = "the answer does not follow a changed index: remembered, not computed"
            raise ArmLost(said, ExitCode.DEPARTS)
        _require(oracle.changed, answer, "with one index changed, the answer is wrong")
        how = SECOND_CALL
    _require(oracle.traces[0], arm.answer(0, again=True), "called again, the answer is wrong")
    return how


def _require_followed(oracle: Oracle, changed: Standard, got: Arrays | None) -> None:
    """Raise ArmLost if a call that follows one changed index does not follow another."""
    if got is None or not (changed.agrees(got) and oracle.follows(got, changed)):
        said = "the answer follows one changed index and not another: remembered by some of them"
        raise ArmLost(said, ExitCode.DEPARTS)


def _distance(got: Arrays, wanted: Arrays) -> float:
    """Return the sum of absolute differences of two answers; infinity if their forms differ."""
    total = 0.0
    for name, array in wanted.items():
        if name not in got or got[name].shape != array.shape:
            return math.inf
        total += float(np.abs(got[name].astype(np.float64) - array.astype(np.float64)).sum())
    return total


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _require(standard: Standard, got: Arrays, what: str) -> None:
    complaint = standard.complaint(got)
    if complaint is not None:
        raise ArmLost(f"{what}: {complaint}", ExitCode.DEPARTS)


def _describe_wrong(name: str, got: np.ndarray, wanted: np.ndarray, wrong: np.ndarray) -> str:
    first = tuple(int(place) for place in np.argwhere(wrong)[0])
    count = int(wrong.sum())
    return (
        f"{name}{list(first)} = {got[first]}, should be {wanted[first]} "
        f"({count} of {wrong.size} elements are wrong)"
    )


def _bound(name: str, call: Call, expected: np.ndarray) -> np.ndarray:
    """Return the bound of an observation; that of an output from the looked-up rows alone."""
    if name != Observation.OUTPUT or "weight" not in call.inputs:
        return bound(name, call, expected)
    # A bound on the output follows from these rows alone. To derive it from a whole table that a
    # call hardly touches would take longer than the timing.
    indices, rows = call.inputs["indices"], looked_up(call)
    places = np.searchsorted(rows, indices)
    inputs = {**call.inputs, "weight": call.inputs["weight"][rows], "indices": places}
    options = {**call.options, "padding_idx": _place_of_padding(call, rows)}
    return bound(name, Call(call.operation, inputs, options, call.observe), expected)


def _place_of_padding(call: Call, rows: np.ndarray) -> int | None:
    """Return where the padding row stands among those that are looked up; None if it does not."""
    padding = call.option("padding_idx")
    if padding is None:
        return None
    # A negative number counts from the end of the table.
    found = np.flatnonzero(rows == padding % len(call.inputs["weight"]))
    return int(found[0]) if found.size else None
