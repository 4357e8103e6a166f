"""Rounds of generating and shrinking, until no new departure is found or the budget is spent.

A round ends with the first departure that no earlier finding explains. A small call is shrunk by
Hypothesis, a large one by bisection. If it only departs after other calls, the shortest sequence is
searched for. The next round skips all departures that this finding explains.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.strategies import SearchStrategy

from embcheck.conformance.execution.processes.scratch import Scratch
from embcheck.conformance.fuzzing.duel import Duel, DuelResult
from embcheck.conformance.fuzzing.fitting import fitted
from embcheck.conformance.fuzzing.question import Trial
from embcheck.conformance.fuzzing.reduction import reduced
from embcheck.conformance.fuzzing.replay import departs_alone, shortest
from embcheck.conformance.fuzzing.signature import Signature
from embcheck.conformance.fuzzing.sketch import Sketch

SHRINK_CALLS = 200
"""The most calls by which Hypothesis shrinks a finding."""
SHRINK_COST = 150
"""The most questions for shrinking a finding, and again for reducing it; a crash costs several."""
FITTING_COST = 300
"""The same for a large call, whose sizes are found by bisection."""
ROUND_EXAMPLES = 1_000_000
"""Examples in a round that is limited only by time."""


class _RoundOver(BaseException):
    """Ends a round from within; Hypothesis ignores it, since it is not an Exception."""


class _TimeUp(_RoundOver):
    """The budget of time is spent."""


class _Departs(Exception):
    """Tells Hypothesis that a call has the departure that the round looks for."""


@dataclass(frozen=True)
class FuzzBudget:
    """The limits of calls and of time; None for no limit. Calls of shrinking do not count."""

    examples: int | None
    seconds: float | None


@dataclass(frozen=True)
class ShrunkDeparture:
    """A shrunk departure, its signature, and the calls that come before it.

    `before` is empty if the departure happened after other calls and does not repeat.
    """

    exchange: DuelResult
    signature: Signature
    before: Trial = ()


class Hunt:
    """A search for departures of one backend that no signature found so far explains."""

    def __init__(
        self,
        duel: Duel,
        strategy: SearchStrategy[Trial],
        *,
        number: int,
        budget: FuzzBudget,
        told: Callable[[], None],
    ) -> None:
        self.found: list[Signature] = []
        self._duel = duel
        self._strategy = strategy
        self._seed = number
        self._budget = budget
        self._told = told
        self._deadline = time.monotonic() + (budget.seconds or float("inf"))

    def departures(self) -> Iterator[ShrunkDeparture]:
        """Yield new departures, each of them shrunk; the last one may not be fully shrunk."""
        round_ = 0
        while self._left() > 0:
            look = _Round(self._duel, self.found, self._deadline, self._told)
            # Rounds differ in their seeds, or a second one would repeat the first.
            stops = self._run(look, self._seed * 1000 + round_)
            if look.smallest is not None:
                departure = self._shrunk(look, look.smallest)
                self.found.append(departure.signature)
                yield departure
            if stops or look.smallest is None:
                return
            round_ += 1

    def _shrunk(self, look: _Round, exchange: DuelResult) -> ShrunkDeparture:
        """Shrink a departure in the way that suits its question."""
        if look.before is not None:
            signature = exchange.signature.after_others
            found = shortest(self._duel, exchange, look.before)
            if found is None:
                return ShrunkDeparture(exchange, signature)
            return ShrunkDeparture(found[1], signature, found[0][:-1])
        if not isinstance(exchange.question, Sketch):
            exchange = reduced(self._duel, exchange, SHRINK_COST)
            return ShrunkDeparture(exchange, exchange.signature)
        exchange, signature = fitted(self._duel, exchange, FITTING_COST)
        # A departure that needs no size is shrunk further as one of a small call.
        if not exchange.signature.traits.sizes:
            exchange = reduced(self._duel, exchange, SHRINK_COST)
            return ShrunkDeparture(exchange, exchange.signature)
        return ShrunkDeparture(exchange, signature)

    def _left(self) -> int:
        if self._budget.examples is None:
            return ROUND_EXAMPLES
        return self._budget.examples - self._duel.tally.examples

    def _run(self, look: _Round, number: int) -> bool:
        """Run a round; return whether time is up."""

        @seed(number)
        @settings(
            max_examples=self._left(),
            # Earlier runs and the clock must not change the calls of a seed.
            database=None,
            deadline=None,
            derandomize=False,
            phases=(Phase.generate, Phase.shrink),
            report_multiple_bugs=False,  # One departure a round is shrunk.
            verbosity=Verbosity.quiet,
            print_blob=False,
            # A backend may be slow, and some calls are large; neither is a fault of the strategies.
            suppress_health_check=list(HealthCheck),
        )
        @given(self._strategy)
        def test(trial: Trial) -> None:
            look.at(trial)

        # What was found is in `look`, whichever way the round ends.
        try:
            with suppress(_Departs):
                test()
        except _RoundOver as over:
            return isinstance(over, _TimeUp)
        return False


class _Round:
    """One round: asks what Hypothesis generates, until the backend departs in a new way."""

    def __init__(
        self,
        duel: Duel,
        found: list[Signature],
        deadline: float,
        told: Callable[[], None],
    ) -> None:
        self.smallest: DuelResult | None = None
        self.before: Trial | None = None
        """The questions before a departure that does not happen without them."""
        self._first: Signature | None = None
        self._duel = duel
        self._found = found
        self._deadline = deadline
        self._told = told
        self._cost_at_first = 0
        self._shrinks = 0

    def at(self, trial: Trial) -> None:
        """Ask a trial's questions; raise if one has the departure that the round looks for."""
        if time.monotonic() > self._deadline:
            raise _TimeUp
        # Once a departure is found, all further calls are Hypothesis's attempts to shrink it.
        if self._first is None:
            self._duel.tally.examples += 1
        elif self._is_shrunk_enough():
            raise _RoundOver
        asked = self._duel.ask_in_order(trial) if len(trial) > 1 else map(self._duel.ask, trial)
        for exchange in asked:
            self._told()
            # `Duel.ask` counts calls that are new to it; in a sequence, every call counts.
            if len(trial) > 1:
                self._duel.tally.count(exchange)
            if exchange.divergence is not None and self._is_looked_for(exchange):
                self.smallest = exchange
                if self.before is not None or len(trial) > 1 or isinstance(trial[0], Sketch):
                    # Hypothesis shrinks single small calls only; all else is shrunk afterwards.
                    raise _RoundOver
                raise _Departs

    def _is_shrunk_enough(self) -> bool:
        self._shrinks += 1
        return self._shrinks > SHRINK_CALLS or self._duel.cost - self._cost_at_first > SHRINK_COST

    def _is_looked_for(self, exchange: DuelResult) -> bool:
        """Whether a departure is new, and in shrinking the one that is being shrunk."""
        signature = exchange.signature
        if self._is_explained(signature):
            return False
        if self._first is not None:
            return signature.is_like(self._first)
        # Read first: asking it alone starts another worker, and the list is then cleared.
        before = self._duel.asked[:-1]
        if not departs_alone(self._duel, exchange):
            if self._is_explained(signature.after_others):
                return False
            self.before = before
        self._first, self._cost_at_first = signature, self._duel.cost
        return True

    def _is_explained(self, signature: Signature) -> bool:
        return any(known.explains(signature) for known in self._found)


@contextmanager
def quiet_hypothesis() -> Iterator[None]:
    """Keep Hypothesis's database out of the working folder."""
    with Scratch() as folder:
        set_hypothesis_home_dir(Path(folder))
        yield
