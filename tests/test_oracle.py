"""The reference and PyTorch agree on generated calls, except for known departures.

`nox -s oracle` compares more than 20,000 calls. EMBCHECK_ORACLE_CALLS sets how many of each
operation.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from oracle_exclusions import EXCLUSIONS

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.execution.judging.deviations import load_deviations
from embcheck.conformance.execution.protocol.answers import Answered
from embcheck.conformance.fuzzing.calls import OPERATIONS, calls
from embcheck.conformance.fuzzing.compare import Divergence, compare, on_own_weight

CALLS = int(os.environ.get("EMBCHECK_ORACLE_CALLS", "150"))
SPOILED = CALLS // 3
DETERMINED = settings(
    database=None,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class Tally:
    """Counts of the compared calls by operation and dtype, by option, and by observation."""

    def __init__(self) -> None:
        self.total = 0
        self.dtypes: Counter[tuple[str, str]] = Counter()
        self.options: Counter[tuple[str, str]] = Counter()
        self.observations: Counter[str] = Counter()
        self.values = 0

    def count(self, call: Call, answer: object) -> None:
        self.total += 1
        self.values += isinstance(answer, Answered)
        dtype = call.inputs["weight"].dtype.name if "weight" in call.inputs else "none"
        if call.operation.is_fresh:
            dtype = call.option("dtype")
        self.dtypes[call.operation, dtype] += 1
        self.options.update((call.operation, name) for name in call.options)
        self.observations.update(call.observe)

    def show(self) -> None:
        print(f"\n{self.total} calls compared, of which {self.values} were answered")
        for counts in (self.dtypes, self.options):
            for (operation, what), number in sorted(counts.items()):
                print(f"{number:7} {operation}, {what}")
        for name, number in sorted(self.observations.items()):
            print(f"{number:7} observed {name}")


@pytest.fixture(scope="module")
def tally():
    """Yield the counts of what is compared, and print them at the end."""
    counts = Tally()
    yield counts
    counts.show()


@pytest.fixture(scope="module")
def torch_eager():
    """Yield a client of PyTorch, whose worker is replaced if a call kills it."""
    client = WorkerClient("torch-eager")
    yield client
    client.close()


def divergence(call: Call, reference, torch_eager, tally=None) -> Divergence | None:
    """Ask both backends and compare.

    The values of a fresh module are compared with those that follow from the weight it drew.
    """
    answer = torch_eager.ask(call)
    found = compare(call, reference.ask(call), answer)
    if tally is not None:
        tally.count(call, answer)
    again = on_own_weight(call, answer.arrays) if isinstance(answer, Answered) else None
    if found is None and again is not None:
        return compare(again, reference.ask(again), answer)
    return found


def is_excluded(call: Call) -> bool:
    """Whether a call is one on which PyTorch is known to depart."""
    return any(exclusion.applies(call) for exclusion in EXCLUSIONS)


def agree(strategy, number, reference, torch_eager, tally):
    """Compare `number` calls; exclusions may skip a quarter of them at most."""

    @settings(DETERMINED, max_examples=number)
    @given(strategy)
    def compare_one(call):
        if not is_excluded(call):
            assert divergence(call, reference, torch_eager, tally) is None

    before = tally.total
    compare_one()
    assert tally.total - before >= number * 3 / 4


@pytest.mark.parametrize("operation", OPERATIONS)
def test_valid_calls_are_answered_alike(operation, reference, torch_eager, tally):
    """On valid calls, outputs, effects, gradients and trained weights agree within bounds."""
    agree(calls(operations=[operation]), CALLS, reference, torch_eager, tally)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_spoiled_calls_are_refused_alike(operation, reference, torch_eager, tally):
    """PyTorch refuses the spoiled calls that the reference refuses."""
    spoiled = calls(operations=[operation], only_valid=False)
    agree(spoiled, SPOILED, reference, torch_eager, tally)


@pytest.mark.parametrize("exclusion", EXCLUSIONS, ids=lambda exclusion: exclusion.name)
def test_what_is_excluded_still_happens(exclusion, reference, torch_eager):
    """Each exclusion's example still departs, so that none hides anything by now."""
    assert exclusion.applies(exclusion.example)
    found = divergence(exclusion.example, reference, torch_eager)
    assert found is not None
    assert found.kind == exclusion.happens


def test_every_exclusion_is_explained():
    """Each exclusion names a case of a known deviation."""
    known = {name for entry in load_deviations("torch-eager") for name in entry.cases}
    assert {exclusion.explained_by for exclusion in EXCLUSIONS} <= known


def test_exclusions_leave_plain_calls_alone(reference, torch_eager):
    """A plain lookup is not excluded."""
    plain = EXCLUSIONS[-1].example
    call = Call(plain.operation, plain.inputs, {}, ("output", "inputs_after"))
    assert call.operation is Operation.EMBEDDING
    assert not is_excluded(call)
    assert divergence(call, reference, torch_eager) is None
