"""Departures that only happen after other calls, and the shortest sequence that shows each.

A question that departed is asked again alone, in a fresh process. If it is answered correctly
there, the earlier questions are asked again, in ever longer pieces, and those that are not needed
are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from embcheck.conformance.execution.protocol.answers import Answered
from embcheck.conformance.fuzzing.duel import Duel, DuelResult
from embcheck.conformance.fuzzing.question import Question, Trial, call_of
from embcheck.conformance.fuzzing.reduction import smaller
from embcheck.conformance.fuzzing.signature import Signature

MOST_REPLAYS = 80
"""The most fresh processes in the search for the shortest sequence."""
MOST_SIMPLIFIED = 4_000
"""The most array elements of a sequence whose calls are made smaller."""
_REPEATS = (2, 64)
"""How often the call is repeated, to see whether it departs after itself."""


def departs_alone(duel: Duel, exchange: DuelResult) -> bool:
    """Whether a question departs in the same way in a fresh process."""
    return Replays(duel, exchange.signature, 1).departing((exchange.question,)) is not None


def shortest(duel: Duel, exchange: DuelResult, before: Trial) -> tuple[Trial, DuelResult] | None:
    """Return the shortest sequence found that departs in the same way, and its last exchange.

    `before` are the worker's questions before the one that departed, without those that a sequence
    in a spec cannot have: refused calls, and calls of other operations. None if the departure does
    not repeat.
    """
    # Each replay starts a process, which costs far more than its calls.
    replays = Replays(duel, exchange.signature, MOST_REPLAYS)
    question = exchange.question
    said = tuple(q for q in before if q.operation is question.operation and is_answered(duel, q))
    for trial in _candidates(question, said):
        found = replays.departing(trial)
        if found is not None:
            return replays.shortened(*found)
    return None


def is_answered(duel: Duel, question: Question) -> bool:
    """Whether the reference answers a question."""
    return isinstance(duel.answer_owed(call_of(question)), Answered)


def _candidates(question: Question, before: Trial) -> Iterator[Trial]:
    """Yield sequences that may show why a question departed, the shortest first."""
    for count in _REPEATS:
        yield (question,) * count
    # The last calls are the likeliest causes, and a few are quicker to ask than all.
    length = 1
    while length < len(before):
        yield (*before[-length:], question)
        length *= 4
    yield (*before, question)
    # State that a call leaves behind may show in the next similar call.
    yield (*before, question, question)


class Replays:
    """A search for one departure in sequences, each of which is asked in a fresh process."""

    def __init__(self, duel: Duel, signature: Signature, most: int) -> None:
        self._duel = duel
        # Traits of the call do not count: the cause is what earlier calls left behind.
        self._wanted = signature.after_others
        self._left = most

    def departing(self, trial: Trial) -> tuple[Trial, DuelResult] | None:
        """Ask a sequence; return it up to the first departure of the kind, and that exchange."""
        if self._left <= 0:
            return None
        self._left -= 1
        self._duel.backend.restart()
        for number, exchange in enumerate(self._duel.ask_in_order(trial), 1):
            if exchange.divergence is not None and self._is_wanted(exchange):
                return trial[:number], exchange
        return None

    def _is_wanted(self, exchange: DuelResult) -> bool:
        found = exchange.signature.after_others
        return (found.kind, found.observation, found.operation) == (
            self._wanted.kind,
            self._wanted.observation,
            self._wanted.operation,
        )

    def shortened(self, trial: Trial, exchange: DuelResult) -> tuple[Trial, DuelResult]:
        """Leave out halves, quarters, and single calls that are not needed; simplify the rest."""
        size = len(trial) // 2
        while size:
            position = 0
            while position < len(trial) - 1:
                rest = (*trial[:position], *trial[min(position + size, len(trial) - 1) :])
                found = self.departing(rest)
                if found is None:
                    position += size
                else:
                    trial, exchange = found
            size //= 2
        return self._simplified(trial, exchange)

    def _simplified(self, trial: Trial, exchange: DuelResult) -> tuple[Trial, DuelResult]:
        """Make the calls themselves smaller: all in the same way, or one of them."""
        found: tuple[Trial, DuelResult] | None = (trial, exchange)
        while found is not None:
            trial, exchange = found
            found = next(filter(None, map(self._departing_validly, _simpler(trial))), None)
        return trial, exchange

    def _departing_validly(self, trial: Trial) -> tuple[Trial, DuelResult] | None:
        """Ask a sequence if the reference answers all of it."""
        if self._left <= 0 or not all(is_answered(self._duel, q) for q in _distinct(trial)):
            return None
        return self.departing(trial)


def _simpler(trial: Trial) -> Iterator[Trial]:
    """Yield sequences of smaller calls: with the same step in each of them, or a step in one."""
    distinct = _distinct(trial)
    calls = [call_of(question) for question in distinct]
    if sum(array.size for call in calls for array in call.inputs.values()) > MOST_SIMPLIFIED:
        return
    # Similar calls have the same steps; if theirs differ, the shortest list of steps ends it.
    for step in zip(*map(smaller, calls), strict=False):
        yield _replaced(trial, distinct, step)
    for number, call in enumerate(calls if len(calls) > 1 else ()):
        for one in smaller(call):
            yield _replaced(trial, distinct[number : number + 1], (one,))


def _distinct(trial: Trial) -> list[Question]:
    """Return the questions of a sequence, each once."""
    # By identity: calls hold arrays, which have no single truth value to compare by.
    return list({id(question): question for question in trial}.values())


def _replaced(trial: Trial, old: Sequence[Question], new: Sequence[Question]) -> Trial:
    """Replace old questions by new ones."""
    places = {id(before): after for before, after in zip(old, new, strict=True)}
    return tuple(places.get(id(question), question) for question in trial)
