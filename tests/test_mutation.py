"""The mutation runner tells mutants that the suite kills from those that survive."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import jsonschema
import pytest
from mutation.__main__ import Suite, run
from mutation.catalogue import BadMutant, Mutant, load_mutants
from mutation.isolation import judge_apart
from mutation.judging import suite_cases
from mutation.patching import patch, reference_sources
from mutation.report import write_json
from mutation.scoring import Status, not_held_to, untried
from mutation.survivors import Settled, Verdict, settle

from embcheck.conformance.execution.judging.verdict import Outcome
from embcheck.conformance.suite.load import shipped_clauses
from embcheck.conformance.suite.model import Level

FORWARD = "definition/forward.py"
LOOK_UP = "return np.asarray(weight[positions.rows])"
SPECS = files("embcheck.specs")
BEYOND_SMALL_SIZES = (
    "tile-of-1024-columns",
    "indices-in-half-precision",
    "gradient-of-whole-vectors",
    "padding-above-768-positions",
    "frequencies-in-8-bits",
    "the-maximum-of-1024-entries",
    "grid-of-65535-bags",
    "gradients-of-bags-of-whole-vectors",
    "classes-in-8-bits",
)
"""Mutants that fit in one implementation at once and are right in all calls of a usual test's
size."""
SMALL_SPECS = ("embedding/lookup", "embedding/gradient", "embedding_bag/modes", "one_hot/values")


def mutant(new: str, *clauses: str, name: str = "m", old: str = LOOK_UP) -> Mutant:
    """Make a mutant of the forward pass."""
    return Mutant(name, "test", clauses or ("EMB-LOOK-01",), "Is wrong.", FORWARD, old, new)


@pytest.fixture(scope="module")
def suite() -> Suite:
    """Return a suite of two files: one of documented cases, one of implementation-defined ones."""
    return Suite(suite_cases([SPECS / "embedding/lookup.yaml", SPECS / "atlas/bad_index.yaml"]))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("weight[row]", "weight[0]", "stands 3 times"),
        ("no such text", "", "stands 0 times"),
        (LOOK_UP, LOOK_UP, "changes nothing"),
        (LOOK_UP, "return (", "is no Python"),
        (LOOK_UP, "return torch.zeros(options)", "uses options, torch, which are not defined"),
    ],
)
def test_patcher_refuses_what_is_no_subtle_bug(old, new, complaint):
    """A mutant's fragment must occur once, change something, and leave a valid module."""
    with pytest.raises(BadMutant, match=complaint):
        patch(reference_sources(), mutant(new, old=old))


def test_every_mutant_still_fits_the_reference():
    """Every mutant is valid, names existing clauses, and fits the reference."""
    mutants, sources = load_mutants(shipped_clauses()), reference_sources()
    assert len(mutants) >= 500
    for one in mutants:
        patch(sources, one)


def test_every_scored_clause_that_is_not_only_pytorchs_has_a_mutant():
    """Every scored clause has a mutant, except those that only PyTorch can answer."""
    clauses = shipped_clauses()
    assert untried(clauses.values(), load_mutants(clauses)) == []


def test_killed_elsewhere_and_surviving_mutants_are_told_apart(suite):
    """A mutant is killed only if each of its clauses has a case that fails."""
    off_by_one = "return np.asarray(weight[positions.rows - 1])"
    unchanged = f"{LOOK_UP}  # the same"
    results = run(
        suite,
        [
            mutant(off_by_one, name="killed"),
            mutant(off_by_one, "OH-01", name="elsewhere"),
            mutant(off_by_one, "EMB-LOOK-01", "OH-01", name="partly"),
            mutant(unchanged, name="survivor"),
        ],
        jobs=2,
        everywhere=True,
    )
    killed, elsewhere, partly, survivor = results
    assert killed.status is Status.KILLED
    assert "embedding/lookup/picks-rows[dtype=float32,index_dtype=int64]" in killed.killed_by
    assert elsewhere.status is Status.ELSEWHERE
    assert "EMB-LOOK-01" in elsewhere.other_clauses
    assert (partly.status, partly.not_held_to) == (Status.ELSEWHERE, ("OH-01",))
    assert (survivor.status, survivor.elsewhere) == (Status.SURVIVED, 0)


def test_a_change_of_what_is_only_observed_kills_for_clauses_that_leave_it_open():
    """A change of an observed result kills mutants of implementation-defined clauses only."""
    cases = suite_cases([SPECS / "atlas/bad_index.yaml"])
    assert {case.level for case in cases} == {Level.IMPLEMENTATION_DEFINED}
    lenient = Mutant(
        "wraps", "test", ("ATLAS-01",), "Wraps.", "definition/arguments.py", "(indices < 0) | ", ""
    )
    (result,) = run(Suite(cases), [lenient], jobs=1, everywhere=False)
    assert result.status is Status.KILLED
    scored = replace(lenient, clauses=("EMB-OOB-02",))
    (result,) = run(Suite(cases), [scored], jobs=1, everywhere=False)
    assert result.status is Status.ELSEWHERE


def test_a_mutant_is_left_alone_once_its_own_cases_have_killed_it(suite):
    """Judging stops once its own cases killed a mutant, unless all cases are asked for."""
    wrong = mutant("return np.asarray(weight[positions.rows - 1])")
    sources = patch(reference_sources(), wrong)
    ((_, few),) = judge_apart([suite.own_first(wrong, sources, everywhere=False)])
    ((_, every),) = judge_apart([suite.own_first(wrong, sources, everywhere=True)])
    assert len(few) < len(every) == len(suite.cases)
    assert len(suite.differing(few)) == 1
    elsewhere = replace(wrong, clauses=("OH-01",))
    ((_, all_of_it),) = judge_apart([suite.own_first(elsewhere, sources, everywhere=False)])
    assert len(all_of_it) == len(suite.cases)


def test_what_a_mutant_remembers_shows_in_a_sequence_and_not_in_the_next_case():
    """A mutant's state shows within a case of several calls, and is reset between cases."""
    stale = Mutant(
        "stale",
        "test",
        ("EMB-SEQ-01",),
        "The first table of a shape is kept.",
        FORWARD,
        LOOK_UP,
        "return np.asarray(KEPT.setdefault(weight.shape, weight.copy())[positions.rows])",
        adds="KEPT = {}",
    )
    sequences = Suite(suite_cases([SPECS / "embedding/sequences.yaml"]))
    (result,) = run(sequences, [stale], jobs=1, everywhere=True)
    assert result.status is Status.KILLED
    assert "embedding/sequences/other-values" in result.killed_by
    single = Suite(suite_cases([SPECS / "embedding/lookup.yaml"]))
    (result,) = run(single, [stale], jobs=1, everywhere=True)
    assert result.status is Status.SURVIVED


def test_a_ladder_of_sizes_tells_a_mutant_that_is_wrong_beyond_a_size():
    """A mutant that is wrong beyond 16,384 columns is killed by the wide steps of a ladder."""
    cases = suite_cases([SPECS / "sizes/lookup.yaml"])
    assert all(not case.large for case in cases)
    narrow = mutant(f"{LOOK_UP} * (np.arange(weight.shape[1]) < 16384)", "EMB-LOOK-06")
    (result,) = run(Suite(cases), [narrow], jobs=1, everywhere=True)
    assert [case.rpartition("/")[2].partition("[")[0] for case in result.killed_by] == ["columns"]


@pytest.mark.parametrize(
    ("new", "outcome"),
    [
        ("while True:\n            pass", Outcome.TIMED_OUT),
        ("import os; os._exit(3)", Outcome.CRASHED),
    ],
)
def test_a_mutant_that_hangs_or_dies_ends_alone(suite, new, outcome):
    """A mutant that hangs or dies gets that outcome in the case where it happened."""
    sources = patch(reference_sources(), mutant(new))
    ((_, seen),) = judge_apart([suite.whole("m", sources)], seconds=2)
    assert list(seen.values())[-1].outcome is outcome
    assert len(seen) < len(suite.cases)


def test_nine_faults_that_begin_beyond_small_sizes_are_told_apart():
    """The ladders find nine faults in one implementation that is right in all small calls.

    For each fault, a case of its clause fails.
    """
    mutants = {one.id: one for one in load_mutants(shipped_clauses())}
    sources = reference_sources()
    for name in BEYOND_SMALL_SIZES:
        sources = patch(sources, mutants[name])
    specs = (
        "lookup",
        "gradient",
        "padding_gradient",
        "frequency",
        "bag_sum",
        "bag_mean",
        "bag_max",
        "one_hot",
    )
    large = Suite(suite_cases([SPECS / f"sizes/{name}.yaml" for name in specs]))
    ((_, seen),) = judge_apart([large.whole("nine", sources)])
    told = large.differing(seen)
    for name in BEYOND_SMALL_SIZES:
        assert not_held_to(mutants[name], told) == (), name
    small = Suite(suite_cases([SPECS / f"{name}.yaml" for name in SMALL_SPECS]))
    ((_, seen),) = judge_apart([small.whole("nine", sources)])
    assert small.differing(seen) == []


def test_settled_survivors_must_fit():
    """Undecided survivors, and decisions that no longer fit, are reported."""
    equivalent = Settled("e", "-a\n+b", Verdict.EQUIVALENT, "a is b")
    new_case = Settled("n", "-c\n+d", Verdict.NEW_CASE, "lookup/c-is-no-d")
    fits = [("@@ 7 @@\n-a\n+b", False), ("@@ 1 @@\n-c\n+d", True)]
    assert settle("tool", fits, [equivalent, new_case]).complaints == ()
    assert "not settled" in settle("tool", [("-x\n+y", False)], []).complaints[0]
    wrong = [(diff, not is_killed) for diff, is_killed in fits]
    said = "\n".join(settle("tool", wrong, [equivalent, new_case]).complaints)
    assert "e is settled as equivalent, but is killed" in said
    assert "n is settled as new case, but survives" in said
    assert "made no more" in settle("tool", [], [equivalent]).complaints[0]


def test_mutation_json_has_the_published_form(suite, tmp_path):
    """mutation.json fits the schema that reports read."""
    wrong = mutant("return np.asarray(weight[positions.rows - 1])")
    results = run(suite, [wrong], jobs=1, everywhere=False)
    generated = settle("tool", [], [Settled("e", "-a", Verdict.EQUIVALENT, "why")])
    write_json(tmp_path / "mutation.json", results, generated)
    written = json.loads((tmp_path / "mutation.json").read_text())
    schema = json.loads((files("embcheck.reports") / "mutation.schema.json").read_text())
    jsonschema.validate(written, schema)
    assert (written["killed"], written["total"]) == (1, 1)
    assert written["mutants"][0]["file"] == f"backends/reference/{FORWARD}"
    assert "elsewhere" not in written["mutants"][0]  # Not all cases were run.
