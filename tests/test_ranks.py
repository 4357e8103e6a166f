"""Two ranks of one worker answer, refuse and die together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.client import BackendUnavailable, WorkerClient
from embcheck.conformance.execution.protocol.answers import Answered, Rejected

pytest.importorskip("torch")


@pytest.fixture(name="client")
def _client():
    """Yield a client whose worker has two ranks; skip if it is unavailable."""
    client = WorkerClient("torch-dtensor-row", timeout=300)
    try:
        _ = client.info
    except BackendUnavailable as reason:
        pytest.skip(str(reason))
    yield client
    client.close()


def acted(*actions):
    """Run actions on two ranks, in a process of their own."""
    script = Path(__file__).with_name("rank_calls.py")
    return subprocess.run(
        [sys.executable, script, *actions], capture_output=True, text=True, timeout=300, check=False
    )


def test_a_refusal_by_one_rank_is_a_refusal_and_ends():
    """A refusal by one rank ends the call for both, and the next call is answered."""
    ended = acted("agree", "refuse", "agree", "one_refuses", "agree", "other_refuses", "agree")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert [line for line in lines if line.startswith("agree")] == ["agree: 2"] * 4
    assert "refuse: ValueError: no" in lines
    assert "other_refuses: ValueError: no" in lines
    assert any(line.startswith("one_refuses: RuntimeError") for line in lines)


def test_rank_0_dies_as_rank_1_did():
    """A crash of one rank ends both by the same signal."""
    ended = acted("agree", "die", "agree")
    assert ended.returncode == -signal.SIGSEGV, ended.stderr
    assert ended.stdout.splitlines() == ["agree: 2"]


def test_a_killed_worker_leaves_no_process(client):
    """Rank 1 ends when only rank 0 is killed."""
    family = psutil.Process(client.pid).children(recursive=True)
    assert family
    os.kill(client.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while any(is_running(process) for process in family) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = [process for process in family if is_running(process)]
    assert not left


def is_running(process):
    """Whether a process exists and is not a zombie."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="threads' names are read from /proc")
def test_refused_calls_leave_no_threads_behind(client):
    """Refused calls leave no Gloo threads, each of which would poll a hundred times a second."""
    for size in range(1, 5):
        for dtype in (np.int64, np.float32):
            inputs = {"weight": np.ones((4, 2), np.float32), "indices": np.zeros(size, dtype)}
            answer = client.ask(Call(Operation.EMBEDDING, inputs, {}, ("output",)))
            assert isinstance(answer, Answered if dtype is np.int64 else Rejected)
    names = [file.read_text().strip() for file in Path(f"/proc/{client.pid}/task").glob("*/comm")]
    assert names.count("gloo_tcp_loop") == 1
