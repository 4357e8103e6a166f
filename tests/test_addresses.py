"""Addresses of backends under another interpreter, and the messages if one cannot be used."""

from __future__ import annotations

import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
from commands import embcheck

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution import client as client_module
from embcheck.conformance.execution.address import (
    Address,
    BadAddress,
    parse_address,
    parse_addresses,
)
from embcheck.conformance.execution.client import BackendBroken, WorkerClient
from embcheck.conformance.execution.discovery import UnknownBackend
from embcheck.conformance.execution.protocol.answers import Answered
from embcheck.conformance.records.run import read_runs

CALL = Call(
    Operation.EMBEDDING, {"weight": np.eye(3, dtype=np.float32), "indices": np.array([2, 0])}
)
SPECS = Path(__file__).parent / "data/zoo/specs"


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory):
    """Make a virtual environment with nothing installed; return its interpreter's path."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False)
    return str(folder / "bin/python")


@pytest.fixture(scope="session")
def other_python(tmp_path_factory):
    """Make a virtual environment that shares this one's packages; return its interpreter's path."""
    folder = tmp_path_factory.mktemp("other")
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    # addsitedir reads the .pth files there, so that editable installs are found too.
    installed = sysconfig.get_path("purelib")
    (site / "shared.pth").write_text(f"import site; site.addsitedir({installed!r})")
    return str(folder / "bin/python")


def test_an_address_has_a_label_an_id_and_an_interpreter():
    """An address is a label, an id and an interpreter; by default the id and this interpreter."""
    assert parse_address("jax-take") == Address("jax-take", "jax-take", sys.executable)
    elsewhere = parse_address(f"old=jax-take:{sys.executable}")
    assert (elsewhere.label, elsewhere.id, elsewhere.python) == ("old", "jax-take", sys.executable)


def test_only_backends_of_this_interpreter_are_known_beforehand():
    """An unknown id is refused for this interpreter, but accepted for one that is named."""
    with pytest.raises(UnknownBackend):
        parse_address("somebody-elses")
    assert parse_address(f"somebody-elses:{sys.executable}").id == "somebody-elses"


def test_a_missing_interpreter_is_told():
    """The error on a missing interpreter repeats the address as it was given."""
    with pytest.raises(BadAddress, match="-b jax-take:/nowhere/python: there is no interpreter"):
        parse_address("jax-take:/nowhere/python")


def test_two_backends_of_one_label_are_refused(other_python):
    """Two backends with the same label are refused, since their results could not be told apart."""
    with pytest.raises(BadAddress, match=r"two backends are called numpy-reference.*OTHER="):
        parse_addresses(["numpy-reference", f"numpy-reference:{other_python}"])


def test_a_worker_runs_under_the_other_interpreter(other_python):
    """The worker of an address runs and answers under the interpreter that the address names."""
    worker = WorkerClient(f"numpy-reference:{other_python}")
    try:
        answer = worker.ask(CALL)
        assert isinstance(answer, Answered)
        np.testing.assert_array_equal(answer.arrays["output"], CALL.inputs["weight"][[2, 0]])
        executable = Path(f"/proc/{worker.pid}/cmdline").read_text().split("\0")[0]
        assert executable == other_python
    finally:
        worker.close()


def test_an_interpreter_without_embcheck_says_how_to_install_it(bare_python):
    """If the interpreter lacks embcheck, the error gives the command that installs it."""
    with pytest.raises(BackendBroken, match=r"embcheck is not installed there: .*pip install"):
        _ = WorkerClient(f"numpy-reference:{bare_python}").info


def test_another_version_of_embcheck_is_refused(monkeypatch, other_python):
    """An environment with another version of embcheck is refused."""
    monkeypatch.setattr(client_module, "version", lambda _: "999.0")
    with pytest.raises(BackendBroken, match=r"its environment has embcheck .*, this one 999\.0"):
        _ = WorkerClient(f"numpy-reference:{other_python}").info


def test_one_run_holds_both(other_python, tmp_path):
    """One run records the same backend under two interpreters, each under its label."""
    words = ("-b", "numpy-reference", "-b", f"twin=numpy-reference:{other_python}")
    ended = embcheck("run", *words, "--specs", SPECS / "small.yaml", "--out", tmp_path / "out")
    assert ended.returncode == 0, ended.stderr
    (run,) = read_runs(tmp_path / "out")
    described = {info["id"]: info.get("adapter") for info in run.header.backends}
    assert described == {"numpy-reference": None, "twin": "numpy-reference"}
    outcomes = {(result.backend, result.case): result.outcome for result in run.results}
    for (backend, case), outcome in outcomes.items():
        assert outcome in ("passed", "observed")
        assert outcomes["twin", case] == outcomes["numpy-reference", case], backend


def test_a_mistaken_address_is_a_usage_error(tmp_path):
    """`embcheck run` refuses an address without an interpreter, with exit code 2."""
    ended = embcheck("run", "-b", "jax-take:/nowhere/python", "--out", tmp_path / "out")
    assert ended.returncode == 2
    assert "there is no interpreter at /nowhere/python" in ended.stderr
