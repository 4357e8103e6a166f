"""The audit: a random sample of results is checked against the library alone."""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import embcheck, embcheck_here
from report_runs import result

from embcheck.conformance.audit.draw import draw, group_of
from embcheck.conformance.audit.session import compare
from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.execution.judging.verdict import Outcome, Verdict
from embcheck.conformance.execution.protocol.answers import (
    Answered,
    Crashed,
    Errored,
    Refuser,
    Rejected,
    TimedOut,
)
from embcheck.conformance.records.lines import KnownDeviation
from embcheck.conformance.reproduction.alone import Program, ask_alone
from embcheck.conformance.suite.load import load_spec, spec_files

INFO = BackendInfo(id="numpy-plain", library="numpy", version="")
DIES = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
PROGRAMS = {
    "answers": "import numpy as np\noutput = np.arange(3)",
    "refuses": "import numpy as np\ntable = np.zeros(3)\ntable[7]",
    "dies": DIES,
    "raises": "rows = {}\noutput = rows['no such row']",
    "breaks": "output = no_such_name",
    "hangs": "import time\ntime.sleep(600)",
    "reads its source": "import inspect\nimport numpy as np\ndef f(): return 1\n"
    "output = np.array(len(inspect.getsource(f)))",
    "answers again": "import numpy as np\noutput = np.ones(2, np.float16)",
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Return the answer of each program."""
    folder = tmp_path_factory.mktemp("programs")
    programs = []
    for number, text in enumerate(PROGRAMS.values()):
        path: Path = folder / f"{number}.py"
        path.write_text(text)
        programs.append(Program(path, ("output",)))
    return dict(zip(PROGRAMS, ask_alone(programs, INFO, sys.executable, 4.0), strict=True))


def test_each_program_has_its_answer(answers):
    """A program that dies or hangs does not affect the answers of the next ones."""
    kinds = [type(answer) for answer in answers.values()]
    assert kinds == [Answered, Rejected, Crashed, Rejected, Errored, TimedOut, Answered, Answered]
    assert answers["answers"].arrays["output"].tolist() == [0, 1, 2]
    assert answers["reads its source"].arrays["output"] == len("def f(): return 1\n")
    assert answers["answers again"].arrays["output"].dtype == np.float16


def test_a_refusal_alone_is_the_librarys_or_the_scripts(answers):
    """An error raised in the script's own lines is not a refusal by the library."""
    assert answers["refuses"].refuser is Refuser.LIBRARY
    assert answers["raises"].refuser is Refuser.ADAPTER


def results():
    """Return many passes of one backend, fewer departures, and two results of another."""
    of = [replace(result("acme"), case=f"embedding/lookup/{number}") for number in range(300)]
    of[:40] = [replace(one, outcome="deviated", kind="wrong-value") for one in of[:40]]
    of[40:60] = [replace(one, outcome="unsupported") for one in of[40:60]]
    of[60:70] = [replace(one, level="implementation-defined") for one in of[60:70]]
    return [*of, *(replace(one, backend="rare") for one in of[100:102])]


def test_draws_are_alike_from_each_group_and_backend():
    """The draw takes as many results of each group, and does not crowd out a rare backend."""
    drawn = draw(results(), 30, seed=1)
    assert Counter(map(group_of, drawn)) == {"departed": 10, "passed": 10, "unsupported": 10}
    assert sum(one.backend == "rare" for one in drawn) == 2
    assert len({(one.backend, one.case) for one in drawn}) == 30


@pytest.mark.parametrize(
    ("outcome", "answer", "finding"),
    [
        ("unsupported", Rejected("ValueError", "strides"), ""),
        ("passed", Rejected("ValueError", "strides"), "the script is at fault"),
        ("unsupported", Errored("no module"), "the script is at fault"),
    ],
)
def test_a_script_that_cannot_hand_over_agrees_with_unsupported_only(outcome, answer, finding):
    """An error in a script's own lines agrees only with `unsupported`."""
    cases = load_spec(spec_files(())[0]).cases
    alone = Verdict(Outcome.ERRORED, message="the adapter raised it")
    told = replace(result("acme"), outcome=outcome)
    assert compare(told, cases[0], Path("script.py"), answer, alone).finding == finding


def test_a_known_death_alone_agrees():
    """For a known crash, the script's outcome is compared, since a crash has no kind."""
    case = load_spec(spec_files(())[0]).cases[0]
    known = KnownDeviation("bug", "crashed", "It dies.", cause="undocumented")
    told = replace(result("acme"), outcome="deviated", kind=None, deviation=known)
    alone = Verdict(Outcome.CRASHED, message="the process died of SIGSEGV")
    died = Crashed("the process died of SIGSEGV")
    assert not compare(told, case, Path("script.py"), died, alone).finding
    other = Verdict(Outcome.TIMED_OUT)
    assert compare(told, case, Path("script.py"), TimedOut(1.0), other).finding


def test_a_seed_draws_the_same_whatever_the_order():
    """A seed draws the same results in any order of the record, and another seed others."""
    first = draw(results(), 12, seed=1)
    assert draw(results()[::-1], 12, seed=1) == first
    assert draw(results(), 12, seed=2) != first
    assert not any(one.level == "implementation-defined" for one in draw(results(), 999, seed=1))


@pytest.mark.parametrize(
    ("backend", "code", "words"),
    [
        ("jax-take", 0, r"departed: (\d) drawn, \1 with a script, \1 of them agree"),
        ("zoo-casts-and-tells", 1, "zoo-casts-and-tells embedding/index_dtypes/"),
    ],
)
def test_the_command_finds_what_an_adapter_did(tmp_path, backend, code, words):
    """The audit agrees with a library that departs, and reports an adapter that casts."""
    case = "embedding/index_dtypes/*"
    ran = embcheck("run", "-b", backend, "--case", case, "--out", tmp_path / "run")
    if "unavailable" in ran.stdout:
        pytest.skip(ran.stdout)
    ended = embcheck("audit", tmp_path / "run", "--draws", 12, "--seed", 3, cwd=tmp_path)
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert re.search(words, ended.stdout), ended.stdout
    assert ended.stdout.endswith(f"the scripts are in {tmp_path / 'run/audit'}\n")
    assert list((tmp_path / "run" / "audit").glob("*.py"))
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_a_run_that_is_none_is_a_usage_error(tmp_path):
    """A file that is no record is a usage error without a traceback."""
    (tmp_path / "results.jsonl").write_text("{}\n")
    ended = embcheck_here("audit", tmp_path)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
