"""A level says what a clause is based on, and how its cases are judged."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from commands import embcheck
from report_runs import case as case_line

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.documentation.founded import unfounded
from embcheck.conformance.documentation.mapping import MappedSentence
from embcheck.conformance.documentation.sentences import Sentence
from embcheck.conformance.execution.judging.judge import judge_observes
from embcheck.conformance.execution.judging.verdict import Kind, Outcome
from embcheck.conformance.execution.protocol.answers import Answered, Crashed, Rejected, TimedOut
from embcheck.conformance.suite.load import load_spec, shipped_clauses, spec_files
from embcheck.conformance.suite.model import Clause, Level, Observes, Rejects
from embcheck.reports.merge import ANSWER_LEVELS, GUARD_LEVELS

SAID = Sentence("torch.nn.functional.embedding", "input", "Tensor of indices into the matrix")
OTHER = Sentence("torch.nn.functional.one_hot", "tensor", "Class values of any shape")
OURS = "The indices name rows."
CLAUSE = Clause(
    id="X-01",
    level=Level.DOCUMENTED,
    statement="An index names a row.",
    object="torch.nn.functional.embedding",
    parameter="input",
    source="F.embedding: Args: input",
    sentences=((SAID.hash, OURS),),
    where="clauses/x.yaml:3:7",
)
MAPPED = MappedSentence(SAID.object, SAID.parameter, SAID.hash, OURS, "2.13.0", ("X-01",))


def complaints(clause, mapped=MAPPED):
    """Return the complaints about a clause, given two known sentences."""
    return list(unfounded([clause], [mapped], [SAID, OTHER]))


def test_a_clause_that_its_sentence_carries_is_well_founded():
    """A clause may be based on a sentence of its own text, or of its module's text."""
    assert complaints(CLAUSE) == []
    assert complaints(replace(CLAUSE, object="torch.nn.Embedding.from_pretrained")) == []
    assert complaints(replace(CLAUSE, level=Level.DOMAIN, sentences=())) == []


@pytest.mark.parametrize(
    ("changes", "mapped", "words"),
    [
        ({"sentences": ()}, {}, "is documented, and names no sentence"),
        ({"sentences": (("0" * 16, OURS),)}, {}, "which no docstring has"),
        ({"sentences": ((OTHER.hash, OURS),)}, {}, "stands in none of the texts on"),
        ({"object": "torch.nn.functional.embedding_bag"}, {}, "stands in none of the texts on"),
        ({}, {"clauses": ("X-02",)}, "whose entry in specs/documentation does not name the clause"),
        ({"sentences": ((SAID.hash, "Ours."),)}, {}, f"specs/documentation says: {OURS}"),
        ({"parameter": "max_norm"}, {}, "is about max_norm, which none of its sentences mentions"),
    ],
)
def test_what_a_sentence_does_not_carry_is_told_with_its_place(changes, mapped, words):
    """A clause without a matching sentence is reported with its place in the file."""
    (told,) = complaints(replace(CLAUSE, **changes), replace(MAPPED, **mapped))
    assert told.startswith("clauses/x.yaml:3:7: X-01 ")
    assert words in told


def test_coverage_fails_on_such_a_clause(tmp_path):
    """`embcheck coverage` exits with 1 and names each clause whose sentence is gone."""
    done = embcheck("coverage", "--json")
    assert (done.returncode, json.loads(done.stdout)["unfounded"]) == (0, [])
    docstrings = tmp_path / "docstrings.json"
    docstrings.write_text('{"format": 1, "torch": "2.13.0", "objects": []}')
    done = embcheck("coverage", "--docstrings", docstrings, "--json")
    told = json.loads(done.stdout)["unfounded"]
    documented = [c for c in shipped_clauses().values() if c.level is Level.DOCUMENTED]
    assert done.returncode == 1
    assert len(told) == sum(len(clause.sentences) for clause in documented)
    first = documented[0]
    assert told[0].startswith(f"{first.where}: {first.id} names ")
    assert first.where.startswith("specs/clauses/")


def test_the_level_says_how_a_case_is_judged():
    """Only implementation-defined cases observe; domain cases reject, and so may tested ones."""
    for file in spec_files():
        for case in load_spec(file).cases:
            is_observed = isinstance(case.expectation, Observes)
            is_refused = isinstance(case.expectation, Rejects)
            assert is_observed == (case.level is Level.IMPLEMENTATION_DEFINED), case.id
            assert is_refused or case.level is not Level.DOMAIN, case.id
            assert not is_refused or case.level in (Level.DOMAIN, Level.UPSTREAM_TESTED), case.id


def test_what_is_left_open_departs_by_a_dead_process_or_a_changed_input_only():
    """An implementation-defined case departs only by a crash, a timeout or a changed input."""
    table, indices = np.ones((2, 2), np.float32), np.array([7])
    call = Call(Operation.EMBEDDING, {"weight": table, "indices": indices}, {}, ("output",))
    whole = {"weight_after": table, "indices_after": indices}
    for output in (np.zeros((1, 2), np.float32), np.full(3, np.nan), np.array(0)):
        answer = Answered({"output": output, **whole})
        assert judge_observes(call, answer).outcome is Outcome.OBSERVED
    refusal = Rejected("IndexError", "out of range")
    assert judge_observes(call, refusal).outcome is Outcome.OBSERVED
    changed = judge_observes(call, Answered({**whole, "indices_after": np.array([0])}))
    assert (changed.outcome, changed.kind) == (Outcome.FAILED, Kind.WRONG_EFFECT)
    assert judge_observes(call, Crashed("it died")).outcome is Outcome.CRASHED
    assert judge_observes(call, TimedOut(1.0)).outcome is Outcome.TIMED_OUT
    level = case_line("a/b/c", "implementation-defined").level
    assert level not in ANSWER_LEVELS | GUARD_LEVELS
    assert {*ANSWER_LEVELS, *GUARD_LEVELS, level} == set(Level)
