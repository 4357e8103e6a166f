"""Calls made on a backend and on the reference, and counts of the results."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.execution.plain_calls import PlainCalls
from embcheck.conformance.execution.protocol.answers import (
    Answer,
    Answered,
    Crashed,
    NotSupported,
    Rejected,
    TimedOut,
)
from embcheck.conformance.execution.protocol.messages import describe_call
from embcheck.conformance.fuzzing.compare import (
    Divergence,
    compare,
    on_own_weight,
    was_not_asked,
)
from embcheck.conformance.fuzzing.question import Question, call_of
from embcheck.conformance.fuzzing.signature import Signature, signature_of
from embcheck.conformance.fuzzing.traits import is_left_open, options_tried, weight_dtype
from embcheck.conformance.suite.layouts import memory_of

_COSTS = {Crashed: 5, TimedOut: 50}
"""The cost of a crash or a time-out, in answered calls: a new worker, and perhaps waiting."""

MOST_KEPT_BYTES = 100_000
"""The most bytes of a call's arrays for its result to be kept; larger calls are asked again."""
MOST_REMEMBERED = 256
"""The most earlier calls of a worker that are kept; they may affect its later answers."""


class NoReferenceAnswer(Exception):
    """The reference neither answered nor refused a call; the message says what happened."""


@dataclass(frozen=True)
class DuelResult:
    """A question, the answers of reference and backend, and how they differ."""

    question: Question
    call: Call
    ours: Answer
    theirs: Answer
    divergence: Divergence | None

    @property
    def signature(self) -> Signature:
        """The signature of the divergence; there must be one."""
        assert self.divergence is not None  # noqa: S101  (asked for departures only)
        found = self.divergence
        return signature_of(self.call, found.kind, found.observation, found.message)

    @property
    def is_agreed_answer(self) -> bool:
        """Whether both gave the same answer."""
        is_asked = not was_not_asked(self.ours, self.theirs)
        return is_asked and isinstance(self.theirs, Answered) and self.divergence is None


@dataclass
class Tally:
    """Counts of what was tried; a repeated call counts once."""

    examples: int = 0
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    options: Counter[tuple[str, str]] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)

    def count(self, exchange: DuelResult) -> None:
        """Count a call by operation and table, by its options, and by its result."""
        dtype = weight_dtype(exchange.call)
        self.calls[str(exchange.call.operation), dtype.name if dtype else "no table"] += 1
        self.options.update(options_tried(exchange.call).items())
        self.endings[_ending(exchange)] += 1


def _ending(exchange: DuelResult) -> str:
    if was_not_asked(exchange.ours, exchange.theirs):
        return "unsupported"
    if exchange.divergence is not None:
        return "departed"
    return "refused" if isinstance(exchange.theirs, Rejected) else "answered"


class Duel:
    """A backend and the reference, which are asked the same calls; small ones are asked once."""

    def __init__(self, backend: WorkerClient, reference: WorkerClient) -> None:
        self.backend = backend
        self.reference = reference
        self._plain_calls = PlainCalls(backend)
        self.tally = Tally()
        self.cost = 0
        self._known: dict[bytes, DuelResult] = {}
        self._asked: deque[Question] = deque(maxlen=MOST_REMEMBERED)
        self._worker: int | None = None

    @property
    def asked(self) -> tuple[Question, ...]:
        """The questions to the backend's worker since it started, including the last one."""
        return tuple(self._asked)

    def ask(self, question: Question) -> DuelResult:
        """Ask a call; one that needs an undeclared capability counts as not supported."""
        call = call_of(question)
        # Not in `ask_in_order`: what earlier calls leave behind is what a sequence tests.
        self.backend.restart_if_short_of_room()
        if sum(array.nbytes for array in call.inputs.values()) > MOST_KEPT_BYTES:
            return self._count(self._ask(question, call))
        key = fingerprint(call)
        if key not in self._known:
            self._known[key] = self._count(self._ask(question, call))
        # Two sketches may make the same call; the result must name the one that was asked.
        return replace(self._known[key], question=question)

    def ask_in_order(self, questions: Iterable[Question]) -> Iterator[DuelResult]:
        """Ask calls one after another, even if their answers are known."""
        for question in questions:
            yield self._ask(question, call_of(question))

    def ours(self, question: Question) -> DuelResult:
        """Return a question with the reference's answer, as if the backend's were the same."""
        call = call_of(question)
        answer = self.answer_owed(call)
        return DuelResult(question, call, answer, answer, None)

    def answer_owed(self, call: Call) -> Answer:
        """Ask the reference; a call on a stored table is asked on the table of floats."""
        return self.reference.ask(call.of_floats())

    def _count(self, exchange: DuelResult) -> DuelResult:
        self.tally.count(exchange)
        return exchange

    def _ask(self, question: Question, call: Call) -> DuelResult:
        self.cost += 1
        ours = self.answer_owed(call)
        if not isinstance(ours, (Answered, Rejected)):
            raise NoReferenceAnswer(f"the reference did not answer {describe_call(call)}: {ours}")
        # The reference is asked first: if it fails, the backend's answer cannot be judged.
        lack = self.backend.info.lacks(call)
        theirs = NotSupported(lack) if lack else self._ask_backend(question, call)
        self.cost += _COSTS.get(type(theirs), 0)
        # As in a run of the suite: this call could cause later departures.
        if isinstance(ours, Rejected) and self.backend.info.fresh_worker_after_bad_index:
            self.backend.restart()
        return DuelResult(question, call, ours, theirs, self._compare(call, ours, theirs))

    def _ask_backend(self, question: Question, call: Call) -> Answer:
        """Ask the backend, and remember it while this worker lives."""
        # A new process has no state from the calls of the one before.
        if self.backend.pid is None or self.backend.pid != self._worker:
            self._asked.clear()
        self._asked.append(question)
        answer = self.backend.ask(call)
        answer = self._plain_calls.asked(call, answer)
        self._worker = self.backend.pid
        return answer

    def _compare(self, call: Call, ours: Answer, theirs: Answer) -> Divergence | None:
        """Compare the answers; those of a fresh module also on the weight that it drew.

        If the documentation leaves the answer open, only a crash or a time-out counts.
        """
        if was_not_asked(ours, theirs):
            return None
        if is_left_open(call) and not isinstance(theirs, (Crashed, TimedOut)):
            return None
        divergence = compare(call, ours, theirs)
        if divergence is not None or not isinstance(theirs, Answered):
            return divergence
        own = on_own_weight(call, theirs.arrays)
        return None if own is None else compare(own, self.reference.ask(own), theirs)

    def is_answered(self, call: Call) -> bool:
        """Whether both give the same answer; calls that the reference refuses are not asked."""
        return isinstance(self.answer_owed(call), Answered) and self.ask(call).is_agreed_answer

    def restart(self) -> None:
        """End both workers; the next question starts fresh ones."""
        self.backend.restart()
        self.reference.restart()


def fingerprint(call: Call) -> bytes:
    """Return a key of everything that is sent to a worker."""
    digest = hashlib.sha256(json.dumps(describe_call(call), sort_keys=True).encode())
    for name, array in sorted(call.inputs.items()):
        # The layout counts: the same numbers in another memory layout are another call.
        head = (name, array.dtype.name, array.shape, memory_of(array))
        digest.update(repr(head).encode() + array.tobytes())
    return digest.digest()
