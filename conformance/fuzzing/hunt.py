"""Rounds of generating and shrinking, until no new departure is found or the budget is spent.

A round ends with the first departure that no earlier finding explains, shrunk by Hypothesis. The
next round passes over all that this finding explains.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.strategies import SearchStrategy

from embcheck.conformance.contract.call import Call
from embcheck.conformance.fuzzing.duel import Duel, Exchange
from embcheck.conformance.fuzzing.reduction import reduced
from embcheck.conformance.fuzzing.signature import Signature

SHRINK_CALLS = 200
"""Calls by which Hypothesis may shrink a finding."""
SHRINK_COST = 150
"""Questions that shrinking a finding may cost, and reducing it again; a crash costs several."""
ROUND_EXAMPLES = 1_000_000
"""Examples in a round that only time bounds."""


class _RoundOver(BaseException):
    """Ends a round from within; Hypothesis takes it for no failure, since it is no Exception."""


class _TimeUp(_RoundOver):
    """The budget of time is spent."""


class _Departs(Exception):
    """Tells Hypothesis that a call is what the round looks for."""


@dataclass(frozen=True)
class Budget:
    """How many calls to generate, and how long; None is no bound. Shrinking is no example."""

    examples: int | None
    seconds: float | None


class Hunt:
    """Looks for departures of one backend that no signature found so far explains."""

    def __init__(
        self,
        duel: Duel,
        strategy: SearchStrategy[Call],
        *,
        number: int,
        budget: Budget,
        told: Callable[[Call], None],
    ) -> None:
        self.found: list[Signature] = []
        self._duel = duel
        self._strategy = strategy
        self._seed = number
        self._budget = budget
        self._told = told
        self._deadline = time.monotonic() + (budget.seconds or float("inf"))

    def departures(self) -> Iterator[Exchange]:
        """Give shrunk departures, each unlike those before; the last one may be half shrunk."""
        round_ = 0
        while self._left() > 0:
            look = _Round(self._duel, self.found, self._deadline, self._told)
            stops = self._run(look, self._seed * 1000 + round_)
            if look.smallest is not None:
                exchange = reduced(self._duel, look.smallest, SHRINK_COST)
                self.found.append(exchange.signature)
                yield exchange
            if stops or look.smallest is None:
                return
            round_ += 1

    def _left(self) -> int:
        if self._budget.examples is None:
            return ROUND_EXAMPLES
        return self._budget.examples - self._duel.tally.examples

    def _run(self, look: _Round, number: int) -> bool:
        """Run a round; return whether time is up."""

        @seed(number)
        @settings(
            max_examples=self._left(),
            database=None,
            deadline=None,
            derandomize=False,
            phases=(Phase.generate, Phase.shrink),
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
            print_blob=False,
            # A backend may be slow, and calls are large now and then: neither is a mistake here.
            suppress_health_check=list(HealthCheck),
        )
        @given(self._strategy)
        def test(call: Call) -> None:
            look.at(call)

        try:
            test()
        except _TimeUp:
            return True
        except (_Departs, _RoundOver):
            return False
        return False


class _Round:
    """Looks at what Hypothesis generates, until the backend departs in a new way."""

    def __init__(
        self,
        duel: Duel,
        found: list[Signature],
        deadline: float,
        told: Callable[[Call], None],
    ) -> None:
        self.smallest: Exchange | None = None
        self._first: Signature | None = None
        self._duel = duel
        self._found = found
        self._deadline = deadline
        self._told = told
        self._cost_at_first = 0
        self._shrinks = 0

    def at(self, call: Call) -> None:
        """Ask for a call; raise if it is what the round looks for."""
        if time.monotonic() > self._deadline:
            raise _TimeUp
        if self._first is None:
            self._duel.tally.examples += 1
        elif self._is_shrunk_enough():
            raise _RoundOver
        exchange = self._duel.ask(call)
        self._told(call)
        if exchange.divergence is None or not self._is_looked_for(exchange.signature):
            return
        self.smallest = exchange
        raise _Departs

    def _is_shrunk_enough(self) -> bool:
        self._shrinks += 1
        return self._shrinks > SHRINK_CALLS or self._duel.cost - self._cost_at_first > SHRINK_COST

    def _is_looked_for(self, signature: Signature) -> bool:
        """Whether a departure is new, and in shrinking no other than the one that is shrunk."""
        if any(known.explains(signature) for known in self._found):
            return False
        if self._first is None:
            self._first, self._cost_at_first = signature, self._duel.cost
        return signature.explains(self._first)


@contextmanager
def quiet_hypothesis() -> Iterator[None]:
    """Keep what Hypothesis remembers out of the working folder."""
    with TemporaryDirectory() as folder:
        set_hypothesis_home_dir(Path(folder))
        yield
