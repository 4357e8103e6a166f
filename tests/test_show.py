"""`embcheck show`: a case with its clause and results."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from embcheck.cli.main import main

CASE = "embedding/bounds/negative[index=-1,index_dtype=int32]"


def shown(*words):
    """Run `embcheck show`; return its exit code and output."""
    result = CliRunner().invoke(main, ["show", *words])
    return result.exit_code, result.output


def test_a_case_is_shown_with_its_clause_and_place():
    """A case is shown with its call, control, clause, file and line."""
    code, said = shown(CASE)
    assert code == 0
    for words in (CASE, "EMB-OOB-02", "bounds.yaml:", "int32 [2]", "must be refused", "[1, 0]"):
        assert words in said


def test_what_comes_now_and_what_was_recorded_say_the_same(tmp_path):
    """Asking a backend and reading its record show the same result."""
    out, backend = str(tmp_path), "zoo-wraps-negatives"
    run = CliRunner().invoke(main, ["run", "-b", backend, "--case", CASE, "--out", out])
    assert run.exit_code == 1
    now, recorded = shown(CASE, "-b", backend), shown(CASE, "--run", out)
    assert now == recorded
    assert f"{backend} (" in now[1]
    assert "): failed" in now[1]
    assert "an invalid call was accepted" in now[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([CASE.replace("negative", "negatve")], f"did you mean {CASE}"),
        (["sizes/*"], "name one"),
        ([CASE, "-b", "jax-tak"], "did you mean jax-take"),
        ([CASE, "-b", "zoo-unavailable"], "zoo-unavailable: "),
        ([CASE, "--run", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_shown_is_said(words, said):
    """An unknown case, backend or record is a usage error with a hint."""
    code, output = shown(*words)
    assert code == 2
    assert said in output


def test_a_backend_without_results_is_named(tmp_path):
    """A backend without results in the record is a usage error that lists the others."""
    words = ["run", "-b", "numpy-reference", "--case", CASE, "--out", str(tmp_path)]
    assert CliRunner().invoke(main, words).exit_code == 0
    code, said = shown(CASE, "--run", str(tmp_path), "-b", "jax-take")
    assert code == 2
    assert "no results of jax-take; there are: numpy-reference" in said
