"""A command whose backend is unavailable says so in one line, and leaves nothing behind."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner
from commands import SMALL

from embcheck.cli.main import main
from embcheck.conformance.execution.address import BadAddress, plain_ids
from embcheck.conformance.fuzzing.hunt import FuzzBudget
from embcheck.conformance.fuzzing.session import FuzzSettings, Session
from embcheck.conformance.near import did_you_mean, near
from embcheck.conformance.records.run import read_runs

GONE = "unavailable: zoo-unavailable: the zoo has no such device\n"
QUICK = ("--workload", "B1", "--seconds", "0.05", "--generations", "1")


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Run the reference on a small spec, and return the folder of the run."""
    out = tmp_path_factory.mktemp("run")
    words = ("run", "-b", "numpy-reference", "--specs", SMALL, "--out", out)
    assert CliRunner().invoke(main, [*map(str, words)]).exit_code == 0
    return out


COMMANDS = {
    "run": ("run", "-b", "zoo-unavailable"),
    "run of named specs": ("run", "-b", "zoo-unavailable", "--specs", SMALL),
    "fuzz": ("fuzz", "-b", "numpy-reference", "-b", "zoo-unavailable"),
    "bench": ("bench", "-b", "zoo-unavailable", "--workload", "B1"),
    "bench to a baseline": (
        *("bench", "-b", "numpy-reference", "--baseline", "zoo-unavailable"),
        *("--workload", "B1"),
    ),
    "prices": ("bench", "-b", "zoo-unavailable", "--study", "prices"),
}


@pytest.mark.parametrize("what", COMMANDS)
def test_nothing_is_left_of_a_command_without_its_backend(what, tmp_path):
    """A command whose backend is unavailable prints one line, exits with 2 and writes nothing."""
    out = tmp_path / "out"
    done = CliRunner().invoke(main, [*map(str, (*COMMANDS[what], "--out", out))])
    assert (done.exit_code, done.stderr, done.stdout) == (2, GONE, "")
    assert not any(tmp_path.iterdir())


def test_nothing_is_left_of_an_audit_without_its_backend(record, tmp_path):
    """An audit reports an unavailable backend by its label in the record, and writes nothing."""
    words = ("audit", record, "-b", "numpy-reference=zoo-unavailable", "--out", tmp_path / "out")
    done = CliRunner().invoke(main, [*map(str, words)])
    said = GONE.replace("zoo-unavailable", "numpy-reference")
    assert (done.exit_code, done.stderr, done.stdout) == (2, said, "")
    assert not any(tmp_path.iterdir())


def test_an_audit_is_of_the_cases_that_are_named(record, tmp_path):
    """An audit checks the case named by `--case`, and suggests similar ids for a misspelt one."""
    words = ["audit", str(record), "--out", str(tmp_path)]
    done = CliRunner().invoke(main, [*words, "--case", "specs/small/lookup-agan"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "did you mean specs/small/lookup-again" in done.stderr
    done = CliRunner().invoke(main, [*words, "--case", "specs/small/lookup-again"])
    assert "passed: 1 drawn" in done.stdout


def test_the_others_are_timed_under_their_labels(tmp_path):
    """A timing run names an unavailable backend in one line, and times the others by label."""
    mine = f"mine=numpy-reference:{sys.executable}"
    words = ("bench", "-b", mine, "-b", "zoo-unavailable", "--baseline", "mine", *QUICK)
    words += ("--out", tmp_path)
    done = CliRunner().invoke(main, [*map(str, words)])
    assert done.exit_code == 2, done.output
    assert done.stdout.count("zoo-unavailable") == 1
    assert GONE in done.stdout
    (run,) = read_runs(tmp_path)
    assert not run.doubts
    assert {line.backend for line in run.measurements} == {"mine", "np.take"}
    known, gone = run.header.backends
    assert (known["id"], known["adapter"]) == ("mine", "numpy-reference")
    assert gone["unavailable"] == "the zoo has no such device"


def test_findings_are_kept_by_label(tmp_path):
    """Fuzzing writes its findings to a folder named after the backend's label."""
    session = Session(FuzzSettings(0, FuzzBudget(15, None), 20.0, tmp_path), lambda *_: None)
    session.run(["mine=zoo-wrong-row"])
    (hunted,) = session.hunted
    assert (hunted.backend["id"], hunted.backend["adapter"]) == ("mine", "zoo-wrong-row")
    assert hunted.findings
    assert {finding.file.parent for finding in hunted.findings} == {tmp_path / "mine"}


@pytest.mark.parametrize("label", ["../mine", "a/b", ".."])
def test_findings_stay_in_their_folder(label, tmp_path):
    """Fuzzing refuses a label that would name a folder outside its own."""
    session = Session(FuzzSettings(0, FuzzBudget(1, None), 20.0, tmp_path / "out"), lambda *_: None)
    with pytest.raises(BadAddress, match="use no slash and no dots"):
        session.run([f"{label}=numpy-reference"])
    assert not any(tmp_path.iterdir())


def test_a_record_names_no_program_to_start():
    """Backends of an earlier record are used by their ids only, never with an interpreter."""
    assert plain_ids(["a", "b@cuda", "a"]) == ("a", "b@cuda")
    with pytest.raises(BadAddress, match="name the backends with -b"):
        plain_ids(["a=numpy-reference:/bin/sh"])


def test_a_misspelt_name_is_asked_about():
    """A misspelt name gets a suggestion, ignoring case; a name unlike all others gets none."""
    assert near("T2x", ["T1", "T2", "ROWS"]) == ["T2"]
    assert near("rows", ["T1", "ROWS"]) == ["ROWS"]
    assert did_you_mean("take", ["jax-take", "jax-taken"], "-").startswith("did you mean jax-take")
    assert did_you_mean("zebra", ["T1"], "there is T1") == "there is T1"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["bnech"], "did you mean bench?"),
        (["nothing-of-ours"], "`embcheck --help` lists them"),
        (["bench", "-b", "numpy-reference", "--workload", "b1"], "did you mean B1"),
        (["recipe", "jaxx"], "did you mean jax?"),
        (["advise", "--profile", "token-lokup"], "did you mean token-lookup?"),
        (["compat", "lookup.emptyy"], "did you mean lookup.empty"),
        (["migrate", "torch-eagr", "jax-take"], "did you mean torch-eager"),
        (["backends", "torch-eagr"], "did you mean torch-eager"),
    ],
)
def test_commands_ask_what_was_meant(words, meant, tmp_path):
    """Each command that takes a name suggests similar names for a misspelt one."""
    more = ["--out", str(tmp_path / "out")] if words[0] == "bench" else []
    done = CliRunner().invoke(main, [*words, *more])
    assert done.exit_code == 2
    assert meant in done.stderr
