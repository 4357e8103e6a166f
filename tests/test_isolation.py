"""Faults of a backend stay in its own process, and each gets the right outcome."""

from __future__ import annotations

import os
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.client import BackendBroken, BackendUnavailable, WorkerClient
from embcheck.conformance.execution.discovery import UnknownBackend
from embcheck.conformance.execution.judging.verdict import Kind, Outcome
from embcheck.conformance.execution.processes.limits import GIB, MIB, Limits
from embcheck.conformance.execution.protocol.answers import Answered, Crashed
from embcheck.conformance.fuzzing.duel import Duel

LOOKUP = Call(
    Operation.EMBEDDING, {"weight": np.eye(3, dtype=np.float32), "indices": np.array([2])}
)


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("zoo-segfaults", "SIGSEGV"),
        ("zoo-ends-the-process", "exit code 0"),
        ("zoo-exits", "SystemExit"),
    ],
)
def test_a_death_is_a_crash_and_the_run_goes_on(judge, backend, words):
    """A worker that dies during a call is recorded as crashed and replaced."""
    assert judge(backend, "lookup").outcome is Outcome.PASSED
    crash = judge(backend, "one-hot")
    assert crash.outcome is Outcome.CRASHED
    assert words in crash.message
    assert judge(backend, "lookup").outcome is Outcome.PASSED


def test_a_hang_is_a_time_out_and_the_run_goes_on(judge):
    """A call without an answer ends at the timeout, and the next one is answered."""
    started = time.monotonic()
    assert judge("zoo-hangs", "one-hot", timeout=3.0).outcome is Outcome.TIMED_OUT
    assert time.monotonic() - started < 30
    assert judge("zoo-hangs", "lookup").outcome is Outcome.PASSED


def test_a_worker_that_died_is_replaced_by_a_fork():
    """Replacements of dead workers are forked from one process, which imported the library once."""
    table = np.eye(3, dtype=np.float32)
    lookup = Call(Operation.EMBEDDING, {"weight": table, "indices": np.array([2])})
    trigger = Call(Operation.ONE_HOT, {"indices": np.array([2])})
    worker = WorkerClient("zoo-segfaults", timeout=60)
    nurseries = set()
    try:
        for _ in range(5):
            answer = worker.ask(trigger)
            assert isinstance(answer, Crashed)
            assert "SIGSEGV" in answer.message
            assert isinstance(worker.ask(lookup), Answered)
            nurseries.add(parent_of(parent_of(worker.pid)))  # The parent is its keeper.
        assert len(nurseries) == 1
        assert nurseries != {os.getpid()}
    finally:
        worker.close()
    assert not psutil.pid_exists(nurseries.pop())


def test_a_library_that_is_imported_ahead_is_imported_once():
    """After importing ahead, the first worker and its replacements are forked from one process."""
    worker = WorkerClient("zoo-segfaults", timeout=60)
    try:
        worker.import_ahead()
        assert worker.info.survives_fork
        first = parent_of(parent_of(worker.pid))
        assert isinstance(worker.ask(Call(Operation.ONE_HOT, {"indices": np.array([2])})), Crashed)
        assert isinstance(worker.ask(LOOKUP), Answered)
        assert parent_of(parent_of(worker.pid)) == first != os.getpid()
    finally:
        worker.close()


def test_a_library_that_survives_no_fork_is_asked_in_none():
    """A library that does not survive a fork is asked only in a worker that was not forked."""
    worker = WorkerClient("zoo-survives-no-fork", timeout=60)
    try:
        worker.import_ahead()
        assert not worker.info.survives_fork
        assert worker.pid is None
        assert isinstance(worker.ask(LOOKUP), Answered)
        assert parent_of(parent_of(worker.pid)) == os.getpid()
    finally:
        worker.close()


def test_temporary_files_go_with_the_client(tmp_path, monkeypatch):
    """Temporary files that workers left are removed when the client is closed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    worker = WorkerClient("zoo-litters", timeout=60)
    try:
        for _ in range(2):
            assert isinstance(
                worker.ask(Call(Operation.ONE_HOT, {"indices": np.array([2])})), Crashed
            )
        litter = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
        assert litter == [b"litter", b"litter"]
    finally:
        worker.close()
    assert not list(tmp_path.iterdir())


def test_a_folder_for_temporary_files_may_be_given(tmp_path):
    """A TMPDIR that the caller gives is shared by the workers and not emptied."""
    worker = WorkerClient("zoo-litters", timeout=60, environment={"TMPDIR": str(tmp_path)})
    try:
        worker.ask(Call(Operation.ONE_HOT, {"indices": np.array([2])}))
    finally:
        worker.close()
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"litter"]


def parent_of(pid):
    """Return the id of a process's parent."""
    return psutil.Process(pid).ppid()


@pytest.mark.parametrize("backend", ["zoo-prints", "zoo-floods"])
def test_prints_cannot_reach_the_channel(judge, backend):
    """What a library prints, also to the file descriptor, changes no answer."""
    assert judge(backend, "lookup").outcome is Outcome.PASSED
    assert judge(backend, "one-hot").outcome is Outcome.PASSED
    assert judge(backend, "lookup-again").outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("backend", "limits", "words"),
    [
        ("zoo-floods-without-end", Limits(output=64 * MIB), r"printed \d+ MiB in one call"),
        ("zoo-swells", Limits(memory=GIB), r"used \d\.\d GiB of memory, the limit is 1\.0 GiB"),
        ("zoo-multiplies", Limits(tasks=500), r"started [\d,]+ threads, the limit is 500"),
    ],
)
def test_a_worker_that_takes_too_much_is_killed(backend, limits, words):
    """A worker beyond a limit is killed and `crashed`, with the amount; the next call works."""
    table = np.eye(3, dtype=np.float32)
    lookup = Call(Operation.EMBEDDING, {"weight": table, "indices": np.array([2])})
    trigger = Call(Operation.ONE_HOT, {"indices": np.array([2])})
    worker = WorkerClient(backend, timeout=60, limits=limits)
    started = time.monotonic()
    try:
        answer = worker.ask(trigger)
        assert isinstance(answer, Crashed)
        assert re.search(words, answer.message), answer.message
        assert isinstance(worker.ask(lookup), Answered)
        assert time.monotonic() - started < 30
    finally:
        worker.close()


def test_a_worker_is_renewed_before_its_mappings_run_out():
    """A worker is replaced before it reaches the system's limit on memory mappings."""
    table = np.eye(3, dtype=np.float32)
    lookup = Call(Operation.EMBEDDING, {"weight": table, "indices": np.array([2])})
    worker = WorkerClient("zoo-hoards-mappings", timeout=60)
    most = int(Path("/proc/sys/vm/max_map_count").read_text())
    try:
        for _ in range(most // 1000 + 20):
            assert isinstance(worker.ask(lookup), Answered)
            worker.restart_if_short_of_room()
        assert worker.starts == 2
    finally:
        worker.close()


def test_a_worker_is_renewed_before_earlier_calls_fill_its_memory():
    """A worker is replaced when earlier calls have used half of the memory limit."""
    table = np.eye(3, dtype=np.float32)
    lookup = Call(Operation.EMBEDDING, {"weight": table, "indices": np.array([2])})
    worker = WorkerClient("zoo-hoards-memory", timeout=60, limits=Limits(memory=256 * MIB))
    try:
        for _ in range(15):
            worker.restart_if_short_of_room()
            assert isinstance(worker.ask(lookup), Answered)
        assert worker.starts > 1
    finally:
        worker.close()


def test_a_hunt_renews_a_worker_before_earlier_calls_fill_its_memory():
    """Fuzzing replaces a worker before earlier calls fill its memory, as a run does."""
    table = np.eye(16, dtype=np.float32)
    backend = WorkerClient("zoo-hoards-memory", timeout=60, limits=Limits(memory=256 * MIB))
    reference = WorkerClient("numpy-reference", timeout=60)
    duel = Duel(backend, reference)
    try:
        for row in range(15):
            call = Call(Operation.EMBEDDING, {"weight": table, "indices": np.array([row])})
            assert duel.ask(call).is_agreed_answer
        assert backend.starts > 1
    finally:
        backend.close()
        reference.close()


def test_an_answer_that_is_no_array_is_the_adapters_fault(judge):
    """An answer of lists instead of arrays is errored, neither passed nor failed."""
    verdict = judge("zoo-wrong-type", "lookup")
    assert verdict.outcome is Outcome.ERRORED
    assert "not an array" in verdict.message


def test_a_refusal_counts_only_beside_its_control(judge):
    """A backend that refuses everything passes no case that expects a refusal."""
    verdict = judge("zoo-refuses-everything", "negative-index")
    assert verdict.outcome is Outcome.UNSUPPORTED
    assert "proves nothing" in verdict.message
    verdict = judge("zoo-refuses-everything", "lookup")
    assert (verdict.outcome, verdict.kind) == (Outcome.FAILED, Kind.REJECTED_VALID)


def test_unsupported_comes_from_prepare_only(judge):
    """A thunk that raises Unsupported is a fault of the adapter."""
    assert judge("zoo-unsupported-too-late", "lookup").outcome is Outcome.ERRORED


def test_what_is_not_declared_is_unsupported_and_said_to_work(judge):
    """A capability that works without being declared is reported, but counts as unsupported."""
    verdict = judge("zoo-undeclared", "gradient")
    assert verdict.outcome is Outcome.UNSUPPORTED
    assert "in this case it works all the same" in verdict.message


@pytest.mark.parametrize(
    ("backend", "case", "kind"),
    [
        ("zoo-wrong-row", "lookup", Kind.WRONG_VALUE),
        ("zoo-memoiser", "lookup-again", Kind.WRONG_VALUE),
        ("zoo-wraps-negatives", "negative-index", Kind.ACCEPTED_INVALID),
        ("zoo-accepts-anything", "negative-index", Kind.ACCEPTED_INVALID),
        ("zoo-writes-to-indices", "lookup", Kind.WRONG_EFFECT),
        ("zoo-hostile-text", "one-hot", Kind.REJECTED_VALID),
    ],
)
def test_each_wrong_answer_has_its_kind(judge, backend, case, kind):
    """A wrong answer fails with the kind that says how it is wrong."""
    judge(backend, "lookup")
    verdict = judge(backend, case)
    assert (verdict.outcome, verdict.kind) == (Outcome.FAILED, kind)
    assert kind.silent == (kind is not Kind.REJECTED_VALID)


def test_writing_to_the_inputs_is_scored_even_where_nothing_is_defined(judge):
    """An implementation-defined call that changes its inputs fails."""
    assert judge("numpy-reference", "undefined").outcome is Outcome.OBSERVED
    assert judge("zoo-writes-to-indices", "undefined").kind is Kind.WRONG_EFFECT


def test_the_reference_passes_what_the_zoo_fails(judge, cases):
    """The reference passes all cases that the zoo fails."""
    outcomes = {judge("numpy-reference", case).outcome for case in cases if case != "undefined"}
    assert outcomes == {Outcome.PASSED}


def test_a_death_at_import_is_told_with_its_last_words():
    """A library that kills the process at import is broken, with its last output in the message."""
    with pytest.raises(BackendBroken, match=r"SIGABRT(.|\n)*about to die"):
        _ = WorkerClient("zoo-dies-on-import").info


def test_an_absent_device_is_unavailable_with_its_reason():
    """A factory that raises Unavailable makes the backend unavailable, with the reason."""
    with pytest.raises(BackendUnavailable, match="no such device"):
        _ = WorkerClient("zoo-unavailable").info


def test_an_unknown_name_lists_the_known_ones():
    """An unknown backend is refused with a list of the known names."""
    with pytest.raises(UnknownBackend, match="numpy-reference"):
        WorkerClient("numpy-refrence")


def test_a_fault_of_the_harness_is_a_verdict_too(judge, monkeypatch):
    """An exception in the judge is an errored result with its place, and the run goes on."""
    monkeypatch.setattr("embcheck.conformance.execution.run_case.judge_returns", lambda *_: 1 / 0)
    verdict = judge("numpy-reference", "lookup")
    assert verdict.outcome is Outcome.ERRORED
    assert "the harness failed: ZeroDivisionError" in verdict.message
    assert "test_isolation.py:" in verdict.message
