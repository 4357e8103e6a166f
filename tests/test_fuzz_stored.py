"""The fuzzer finds planted faults in quantized tables, and reports nothing on right ones."""

from __future__ import annotations

import importlib
import sys

import pytest
from mutation.catalogue import load_mutants
from mutation.judging import InProcess
from mutation.patching import PACKAGE, patch, reference_sources, write_package

from embcheck.backends.reference.numpy_reference import NumpyReference
from embcheck.conformance.contract.operation import QUANTIZED
from embcheck.conformance.contract.schemes import SCHEMES
from embcheck.conformance.execution.judging.verdict import Kind, Outcome
from embcheck.conformance.execution.run_case import CaseRunner
from embcheck.conformance.fuzzing.duel import Duel
from embcheck.conformance.fuzzing.hunt import FuzzBudget, Hunt, quiet_hypothesis
from embcheck.conformance.fuzzing.session import _expressible
from embcheck.conformance.fuzzing.spec_file import write_spec
from embcheck.conformance.fuzzing.trials import trials
from embcheck.conformance.suite.load import load_spec, shipped_clauses

SOME = ("int8-row", "uint4-row", "uint4-zero-block32", "uint4-block32", "nf4-block64")


class Here(InProcess):
    """A worker without a process of its own."""

    name, pid = "planted", 1

    def restart_if_short_of_room(self):
        """Do nothing: there is no process whose memory earlier calls could fill."""


@pytest.fixture
def mutated(tmp_path, monkeypatch):
    """Yield a function that makes a backend of a mutant of the reference."""

    def make(name):
        (mutant,) = (one for one in load_mutants(shipped_clauses()) if one.id == name)
        write_package(patch(reference_sources(), mutant), tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module(f"{PACKAGE}.numpy_reference").NumpyReference()

    yield make
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


def hunted(backend, schemes, examples):
    """Return a hunt for departures of a backend on quantized tables, and its duel."""
    duel = Duel(Here(backend), Here(NumpyReference()))
    strategy = trials(operations=QUANTIZED, schemes=schemes)
    budget = FuzzBudget(examples, None)
    return Hunt(duel, strategy, number=0, budget=budget, told=lambda: None), duel


@pytest.mark.parametrize(
    "fault",
    [
        "swaps-nibbles",
        "takes-the-scale-of-the-next-block",
        "reads-nf4-by-the-table-of-fp4",
        "loses-equal-rows",
        "drops-the-offset-of-blocks",
        "keeps-the-first-table-of-a-shape",
    ],
)
def test_a_planted_fault_is_found_and_made_small(mutated, fault):
    """A planted fault is found within 200 calls, and shrunk to at most two rows and one index."""
    with quiet_hypothesis():
        hunt, _ = hunted(mutated(fault), SOME, 200)
        found = next(hunt.departures())
    assert found.signature.kind == Kind.WRONG_VALUE
    call = found.exchange.call
    assert len(call.inputs["weight"]) <= 2
    assert call.inputs["indices"].size == 1
    assert f"scheme={call.option('scheme')}" in found.signature.traits.options


def test_a_finding_is_written_as_a_case_that_tells(mutated, tmp_path):
    """A finding is written as a case that the fault fails and the reference passes."""
    backend = mutated("takes-the-scale-of-the-next-block")
    with quiet_hypothesis():
        hunt, _ = hunted(backend, SOME, 40)
        found = next(hunt.departures()).exchange
    file = tmp_path / "findings" / "found.yaml"
    write_spec(file, "It is found.", "found", "QNT-STORE-08", found, ("output",), None)
    (case,) = load_spec(file).cases
    reference = Here(NumpyReference())
    outcomes = [
        CaseRunner(Here(one), reference).run(case).verdict.outcome
        for one in (backend, NumpyReference())
    ]
    assert outcomes == [Outcome.FAILED, Outcome.PASSED]


def test_no_scheme_of_the_reference_has_a_finding():
    """The reference has no finding with any scheme, and most calls are answered."""
    with quiet_hypothesis():
        hunt, duel = hunted(NumpyReference(), SCHEMES, 150)
        assert not list(hunt.departures())
    assert duel.tally.endings["answered"] > 75
    assert duel.tally.endings["refused"] > 15


def test_only_declared_schemes_are_drawn():
    """Only declared schemes are drawn; without any, no quantized call is."""
    declared = _expressible(NumpyReference.info)
    assert set(declared["schemes"]) == set(SCHEMES)
    assert set(QUANTIZED) <= set(declared["operations"])
    assert trials(operations=QUANTIZED, schemes=()).is_empty
