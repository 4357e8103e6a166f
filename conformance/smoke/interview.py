"""Questions to a backend, one after another, and its answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from embcheck.conformance.contract.call import (
    TRAINING_OBSERVATIONS,
    Call,
    Observation,
    Operation,
)
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.execution.protocol.answers import Answer, Answered, Crashed, Rejected
from embcheck.conformance.execution.protocol.messages import CallStep, describe_call
from embcheck.conformance.fuzzing.compare import compare, on_own_weight
from embcheck.conformance.smoke.budget import CpuBudget
from embcheck.conformance.smoke.questions import Question, in_a_scheme, one_of_each_family

MOST_DEATHS = 3
"""The most crashes whose step is looked for; each search costs some new workers."""


@dataclass(frozen=True)
class Exchange:
    """A question, the answer, and how many bytes were printed meanwhile."""

    question: Question
    answer: Answer
    printed: int = 0
    step: str = ""
    """The step in which the process died; empty if it did not, or the step is not known."""

    @property
    def is_answered(self) -> bool:
        """Whether the call returned."""
        return isinstance(self.answer, Answered)

    @property
    def said(self) -> str:
        """How the call ended without an answer, in a few words."""
        answer = self.answer
        if isinstance(answer, Crashed) and self.step:
            return f"in {self.step}, {answer.message}"
        if isinstance(answer, Rejected):
            return f"{answer.exception}: {answer.message}"
        return str(getattr(answer, "reason", getattr(answer, "message", "no answer in time")))


@dataclass
class Interview:
    """A backend, the reference, and all questions and answers so far.

    `python` is the interpreter of the backend's worker, `timeout` the seconds that a call may take,
    `budget` the processor time that all may take.
    """

    backend: WorkerClient
    reference: WorkerClient
    python: str
    timeout: float
    budget: CpuBudget = field(default_factory=CpuBudget)
    exchanges: list[Exchange] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """By check, how many questions were not asked, for lack of time."""

    def affordable(
        self, check: str, questions: Iterable[Question], least: int = 0
    ) -> Iterator[Question]:
        """Yield questions while a check has time, but at least `least`; count those left out."""
        for number, question in enumerate(questions):
            if number < least or self.can_afford(check):
                yield question

    def can_afford(self, check: str) -> bool:
        """Whether a check has time left; if not, count a question that it leaves out."""
        if self.budget.left(check) > 0:
            return True
        self.left_out[check] += 1
        return False

    def ask(self, question: Question) -> Exchange:
        """Ask a question."""
        question = self._with_scheme(question)
        # The count begins anew in a new worker, and may then be lower than before.
        before = self.backend.printed_bytes
        answer = self.backend.ask(question.call)
        printed = max(0, self.backend.printed_bytes - before)
        step = self._step_of_death(question) if isinstance(answer, Crashed) else ""
        self.exchanges.append(Exchange(question, answer, printed, step))
        return self.exchanges[-1]

    def ask_variants(
        self,
        check: str,
        working: Mapping[Operation, Sequence[Exchange]],
        variants: Callable[[Question], Iterable[Question]],
    ) -> list[Exchange]:
        """Ask a check's variants of an answered plain call of each family, as time allows."""
        questions = (
            variant
            for operation in one_of_each_family(working)
            for variant in variants(working[operation][-1].question)
        )
        return [self.ask(question) for question in self.affordable(check, questions)]

    def by_step(self, question: Question, until: CallStep = CallStep.SECOND_CALL) -> Answer:
        """Make a call up to a step; see `execution.inside.by_step`."""
        question = self._with_scheme(question)
        header = {"request": "by_step", "call": describe_call(question.call), "until": str(until)}
        return self.backend.request(header, question.call.inputs)

    def _with_scheme(self, question: Question) -> Question:
        return replace(question, call=in_a_scheme(question.call, self.backend.info))

    def dies_in(self, question: Question) -> str:
        """Repeat a call, each time one step further; return the step that ends it, or ''."""
        for step in CallStep:
            answer = self.by_step(question, step)
            if isinstance(answer, Crashed):
                return str(step)
            if isinstance(answer, Answered) and answer.details.get("failed_in"):
                return str(answer.details["failed_in"])
        return ""

    def _step_of_death(self, question: Question) -> str:
        """Name the step of a crash; '' once MOST_DEATHS crashes were looked into."""
        known = sum(isinstance(exchange.answer, Crashed) for exchange in self.exchanges)
        return self.dies_in(question) if known < MOST_DEATHS else ""

    def departure(self, exchange: Exchange) -> str | None:
        """Say how an answer differs from the reference's; None if it does not."""
        call, answer = exchange.question.call, exchange.answer
        divergence = compare(call, self.reference.ask(call.of_floats()), answer)
        # A fresh module drew its own weight, so its values are compared by a call on that weight.
        if divergence is None and isinstance(answer, Answered) and "weight_after" in answer.arrays:
            own = on_own_weight(call, answer.arrays)
            divergence = None if own is None else compare(own, self.reference.ask(own), answer)
        # What is reported of the inputs has a check of its own: see `input_faults`.
        is_about_inputs = divergence and divergence.observation == Observation.INPUTS_AFTER
        return divergence.message if divergence and not is_about_inputs else None


def input_faults(exchange: Exchange) -> list[str]:
    """List how the inputs that are reported after a call differ from the call's own."""
    answer, call = exchange.answer, exchange.question.call
    if not isinstance(answer, Answered):
        return []
    faults = []
    for name, before in call.inputs.items():
        after = answer.arrays.get(f"{name}_after")
        if after is None:
            faults.append(f"{name}_after is not reported")
        elif after.dtype != before.dtype:
            faults.append(f"{name} is {before.dtype} before and {after.dtype} after the call")
        elif after.shape != before.shape:
            shapes = f"{list(before.shape)} before and {list(after.shape)} after"
            faults.append(f"{name} has shape {shapes} the call")
        elif not _may_change(name, call) and after.tobytes() != before.tobytes():
            faults.append(f"the values of {name} are not the same after the call")
    if call.operation.is_fresh and "weight_after" not in answer.arrays:
        faults.append("weight_after, the weight of the fresh module, is not reported")
    return faults


def missing_observations(exchange: Exchange) -> list[str]:
    """List the wanted observations that the answer lacks."""
    if not isinstance(exchange.answer, Answered):
        return []
    wanted = set(exchange.question.call.observe) - {Observation.INPUTS_AFTER}
    return sorted(wanted - exchange.answer.arrays.keys())


def same_output(one: Answer, other: Answer) -> bool:
    """Whether two answers have equal outputs."""
    arrays = [
        answer.arrays.get("output") for answer in (one, other) if isinstance(answer, Answered)
    ]
    found = [array for array in arrays if array is not None]
    return len(found) == 2 and np.array_equal(found[0], found[1])


def _may_change(name: str, call: Call) -> bool:
    shortens = call.option("max_norm") is not None
    return name == "weight" and (shortens or call.wants(*TRAINING_OBSERVATIONS))
