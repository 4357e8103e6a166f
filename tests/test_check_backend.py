"""`embcheck check-backend` finds every fault of an adapter, and none in sound adapters."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner
from commands import embcheck

from embcheck.cli import progress
from embcheck.cli.main import main
from embcheck.conformance.contract.backend import BackendInfo, Provided, Provision
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.client import BackendUnavailable
from embcheck.conformance.execution.inside.kept import overwrite
from embcheck.conformance.execution.protocol.answers import Answered, Errored
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.smoke.alone import Alone
from embcheck.conformance.smoke.checks import check_info
from embcheck.conformance.smoke.finding import Status, blocks
from embcheck.conformance.smoke.interview import Exchange
from embcheck.conformance.smoke.questions import Question
from embcheck.conformance.smoke.session import smoke_test

BROKEN = [
    ("zoo-casts-indices", "dtypes", "indices is int8 before and int64 after"),
    ("zoo-casts-and-tells", "dtypes", "but the library alone refuses it (AssertionError: int8)"),
    ("zoo-claims-too-much", "capabilities", "gradients is declared, but no call that needs it"),
    ("zoo-dies-on-import", "starts", "SIGABRT"),
    ("zoo-exits", "operations", "one_hot given classes: in call, raised SystemExit"),
    ("zoo-flattens-inputs", "inputs", "indices has shape [4] before and [1, 4] after"),
    ("zoo-forgets-gradients", "capabilities", "grad_weight is not reported"),
    ("zoo-forgets-inputs", "inputs", "indices_after is not reported"),
    ("zoo-hands-out-futures", "thunk", "before its answer existed"),
    ("zoo-lazy", "thunk", "it follows an index that was changed afterwards"),
    ("zoo-lists-its-script", "scripts", "must return one str of Python lines, not tuple"),
    ("zoo-memoiser", "thunk", "changing one index does not change the answer of a fresh call"),
    ("zoo-misnames-its-output", "scripts", "leaves no array of the name output"),
    ("zoo-misspells-its-library", "scripts", "does not run: ModuleNotFoundError: No module"),
    ("zoo-misspelt", "starts", "'gradeints' is not a valid Capability"),
    ("zoo-nameless", "info", "calls itself 'somebody'"),
    ("zoo-nameless", "info", "version is ''"),
    ("zoo-nameless", "info", "embedding is not spelled out"),
    ("zoo-peeks", "imports", "imports embcheck.conformance.suite.load"),
    ("zoo-peeks", "imports", "imports embcheck.conformance.execution.judging.judge"),
    ("zoo-refuses-everything", "operations", "every plain valid call was refused: Attribute"),
    ("zoo-remembers", "thunk", "after its last answer was overwritten"),
    ("zoo-remembers-frozen", "thunk", "the same answer comes twice"),
    ("zoo-scripts-something-else", "scripts", "gives another output than the adapter"),
    ("zoo-segfaults", "operations", "SIGSEGV"),
    ("zoo-two-faults", "compositions", "embedding_bag by rows, max: output[0, 0] = 2.37"),
    ("zoo-unpacks-the-shape", "tables", "but the library alone answers it"),
    ("zoo-drops-options", "reads", "max_norm was never read"),
    ("zoo-drops-options", "reads", "per_sample_weights was never read"),
    ("zoo-unsupported-too-late", "unsupported", "call raised Unsupported"),
    ("zoo-writes-to-indices", "inputs", "the values of indices are not the same"),
    ("zoo-wrong-type", "answers", "not an array"),
]
DEFAULT = ("numpy-reference", "torch-eager", "jax-take", "onnxruntime-dynamo")
HINTS = [
    ("zoo-casts-in-secret", "dtypes", Status.WARN, "answered as if cast to int64"),
    ("zoo-prints", "printing", Status.WARN, "calls printed"),
    ("zoo-undeclared", "undeclared", Status.WARN, "gradients, sparse-gradients, training"),
    ("zoo-wrong-row", "values", Status.INFO, "answers differently from the reference: "),
]


HEARD: dict[str, list[tuple[str, str]]] = {}


@cache
def smoke(backend):
    """Return the smoke test of a backend; it runs once."""
    heard = HEARD.setdefault(backend, [])
    return smoke_test(
        backend,
        60,
        lambda check: heard.append(("found", check[0].check)),
        begins=lambda name: heard.append(("begins", name)),
    )


def messages(backend, check, status):
    """Return a check's messages that have some status."""
    found = smoke(backend).findings
    return [f.message for f in found if (f.check, f.status) == (check, status)]


@pytest.mark.parametrize(("backend", "check", "words"), BROKEN)
def test_a_broken_adapter_fails(backend, check, words):
    """The check for a fault fails, says what is wrong, and gives advice."""
    assert any(words in message for message in messages(backend, check, Status.FAIL))
    assert all(f.advice for f in smoke(backend).findings if f.status is Status.FAIL)
    assert smoke(backend).exit_code is ExitCode.DEPARTS


@pytest.mark.parametrize(("backend", "check", "status", "words"), HINTS)
def test_what_is_no_fault_of_the_adapter_does_not_fail(backend, check, status, words):
    """A wrong value is only noted, and what may be a fault is a warning: neither fails."""
    assert any(words in message for message in messages(backend, check, status))
    assert smoke(backend).exit_code is ExitCode.CONFORMS


def test_a_capability_is_tried_in_the_operations_that_there_are():
    """A capability is tried in the declared operations only, also if there is no plain lookup."""
    assert messages("zoo-two-faults", "capabilities", Status.PASS)


@pytest.mark.parametrize("backend", DEFAULT)
def test_the_default_adapters_pass(backend):
    """The default adapters pass all checks, where their library is installed."""
    try:
        test = smoke_test(backend, timeout=300)
    except BackendUnavailable as reason:
        pytest.skip(str(reason))
    assert test.exit_code is ExitCode.CONFORMS, blocks(test.findings)
    assert len({finding.check for finding in test.findings}) == 20


@pytest.mark.parametrize(
    ("name", "info", "words"),
    [
        ("x@cuda", {"id": "x@cuda"}, "the name says @cuda, and info that it runs on cpu"),
        ("x", {"made_from": "nobody"}, "made_from names 'nobody', which no distribution"),
    ],
)
def test_what_only_looks_wrong_in_info_is_a_warning(name, info, words):
    """An info that contradicts the backend's name, or names an unknown source, is a warning."""
    how = {Operation.EMBEDDING: Provided(Provision.NATIVE, "lookup")}
    fields = {"id": "x", "library": "x", "version": "1", "operations": how}
    (found,) = check_info(BackendInfo(**{**fields, **info}), name)
    assert found.status is Status.WARN
    assert words in found.message


def test_scripts_are_told_of_in_one_way():
    """No check says that there are no scripts if another check ran some."""
    said = [one.message for one in smoke("zoo-unpacks-the-shape").findings]
    assert any("1 ran alone, and answer as the adapter does" in message for message in said)
    assert not any("writes none" in message for message in said)


def test_of_how_many_calls_the_library_alone_is_known_is_said():
    """A message says for how many calls the library alone was asked: all, some, or none and why."""
    call = Call(Operation.EMBEDDING, {})
    one, two, three = (Exchange(Question(t, call), Answered({}), 0) for t in "abc")
    alone = Alone({"a": Answered({}), "b": Errored("it does not run")}, {"c": "no script"})
    assert alone.compared([one], "agrees", "unseen") == "the library alone agrees"
    some = alone.compared([one, two], "agrees", "unseen")
    assert some.endswith("in 1 of them; no script of the others ran")
    assert alone.compared([two], "agrees", "unseen") == "unseen (no script of them ran)"
    assert alone.compared([three], "agrees", "unseen").endswith("writes no script of them)")


def test_the_checks_are_told_as_they_begin():
    """A listener is told of each check before it ends."""
    smoke("zoo-claims-too-much")
    heard = HEARD["zoo-claims-too-much"]
    for name in ("starts", "operations", "capabilities", "lifetime", "options", "thunk"):
        assert heard.index(("begins", name)) < heard.index(("found", name))


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_long_check_gives_signs_of_life_where_there_is_no_terminal(monkeypatch, more):
    """Without a terminal, a line on stderr regularly names the running check; stdout has none."""
    monkeypatch.setattr(progress, "SECONDS", 0.01)
    done = CliRunner().invoke(main, ["check-backend", "zoo-dies-on-import", *more])
    signs = done.stderr.splitlines()
    assert any(re.fullmatch(r" +\d s: starts", line) for line in signs), signs
    assert "s: starts" not in done.stdout
    assert not more or json.loads(done.stdout)


def test_what_a_check_found_often_is_told_once():
    """A repeated finding is told once with its count, followed by the advice."""
    found = blocks(smoke("zoo-casts-indices").findings)
    ((head, advice),) = [block for block in found if block[0].startswith("FAIL")]
    assert "more: --json)" in head
    assert advice == "hand the library the arrays as they came, and report those"


def test_the_terminal_has_lines_that_fit():
    """No line is longer than 80 columns, and each FAIL is followed by advice."""
    shown = embcheck("check-backend", "zoo-casts-and-tells").stdout.splitlines()
    assert max(map(len, shown)) <= 80
    starts = [line[:4] for line in shown if not line.startswith("         ")]
    for now, after in pairwise(starts):
        assert now != "FAIL" or after == "    "
    assert any(line.startswith("      -> hand the library the arrays") for line in shown)


def test_exit_codes_and_json():
    """The exit code is 0 for a sound adapter, 1 for a broken one, 2 for an unavailable one."""
    sound = embcheck("check-backend", "numpy-reference", "--json")
    assert sound.returncode == 0, sound.stderr
    data = json.loads(sound.stdout)
    assert (data["format"], data["backend"]) == (1, "numpy-reference")
    assert {check["status"] for check in data["checks"]} == {"PASS", "INFO"}
    assert data["checks"][-1]["message"].startswith("all was asked, in ")
    broken = embcheck("check-backend", "zoo-misspelt")
    assert broken.returncode == 1
    assert broken.stdout.startswith("FAIL starts: the worker broke the protocol: the info has")
    for name, words in (
        ("numpy-refrence", "there is no backend"),
        ("zoo-unavailable", "the zoo has no such device"),
        ("jax-take:/nowhere/python", "there is no interpreter"),
    ):
        ended = embcheck("check-backend", name)
        assert ended.returncode == 2
        assert words in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_class_without_a_module_is_looked_past():
    """A class without `__module__`, like Paddle's PyLayer, does not stop the overwriting."""
    found: dict[str, object] = {}
    exec("made = type('made', (), {})", found)  # There is no __name__ to take.
    assert not hasattr(found["made"], "__module__")
    kept = np.arange(3.0)
    overwrite([found["made"], [kept]], {"output": kept.copy()}, [], "adapter")
    np.testing.assert_array_equal(kept, [-1, -1, -1])
