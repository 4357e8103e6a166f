"""Deaths and hangs of workers are noticed in time, and nothing is left when the harness ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from test_cli import environment

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.client import BackendBroken, WorkerClient
from embcheck.conformance.execution.pool import BackendPool
from embcheck.conformance.execution.processes.confinement import SWITCH
from embcheck.conformance.execution.protocol.answers import Answered, Crashed, Errored, TimedOut

SMALL = Path(__file__).parent / "data" / "zoo" / "specs" / "small.yaml"
TRIGGER = Call(Operation.ONE_HOT, {"indices": np.array([2])}, {}, ("output",))
LOOKUP = Call(
    Operation.EMBEDDING,
    {"weight": np.eye(3, dtype=np.float32), "indices": np.array([2])},
    {},
    ("output",),
)
SOON = 8
"""A limit in seconds that is far below any timeout, even on a busy machine."""


@pytest.fixture
def dying(monkeypatch):
    """Yield a function that makes a client of the backend that dies in a given way."""
    made = []

    def make(way, timeout=60.0):
        if way.endswith("its-keeper"):
            monkeypatch.setenv(SWITCH, "0")  # A confined worker cannot signal its keeper.
        made.append(
            WorkerClient("zoo-dies", timeout=timeout, environment={"EMBCHECK_ZOO_DEATH": way})
        )
        return made[-1]

    yield make
    for client in made:
        client.close()


def family_of(client):
    """Return a worker's keeper and all processes below it."""
    keeper = psutil.Process(client.pid).parent()
    return [keeper, *keeper.children(recursive=True)]


def left_of(family):
    """Return which processes still live after a moment; zombies do not count."""
    deadline = time.monotonic() + 3
    while (left := [each for each in family if lives(each)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def lives(process):
    """Whether a process still runs or sleeps."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("child-holds", "SIGSEGV"),
        ("detached-holds", "exit code 7"),
        ("children-hold", "SIGKILL"),
        ("child-killed-by-thread", "exit code 9"),
        ("kills-its-keeper", "was killed"),
    ],
)
def test_a_death_is_seen_at_once(dying, way, words):
    """A worker's death is noticed at once, even if another process holds the channel.

    This holds for a worker that was started and for one that was forked.
    """
    client = dying(way)
    for _ in range(2):
        assert isinstance(client.ask(LOOKUP), Answered)
        started = time.monotonic()
        answer = client.ask(TRIGGER)
        assert isinstance(answer, Crashed)
        assert words in answer.message
        assert time.monotonic() - started < SOON
    assert isinstance(client.ask(LOOKUP), Answered)


@pytest.mark.parametrize("way", ["child-stays", "daemons-stay"])
def test_what_a_worker_started_ends_with_it(dying, way):
    """Everything a worker started ends with it, even if it left its session and group."""
    client = dying(way)
    for _ in range(2):
        assert isinstance(client.ask(TRIGGER), Answered)
        family = family_of(client)
        assert len(family) > 2
        os.kill(client.pid, signal.SIGKILL)
        told = client.ask(LOOKUP)
        assert isinstance(told, Crashed) or "SIGKILL" in client.complaints[-1]
        assert not left_of(family)
    assert isinstance(client.ask(TRIGGER), Answered)
    family = family_of(client)
    client.close()
    assert not left_of(family)


@pytest.mark.parametrize(
    "way", ["hangs", "stops-itself", "closes-all", "drips", "stops-its-keeper", "litters"]
)
def test_what_does_not_answer_is_ended_in_time(dying, way):
    """A worker that does not answer is ended at the timeout, with everything it started."""
    client = dying(way, timeout=2.0)
    assert isinstance(client.ask(LOOKUP), Answered)
    family = family_of(client)
    started = time.monotonic()
    answer = client.ask(TRIGGER)
    # The bytes that drip into the channel are no valid frame.
    ends = {"closes-all": Crashed, "drips": Errored}
    assert isinstance(answer, ends.get(way, TimedOut))
    assert time.monotonic() - started < 2 + SOON
    assert not left_of(family)
    assert isinstance(client.ask(LOOKUP), Answered)


def test_a_keeper_is_not_talked_out_of_it(dying):
    """A keeper ignores the signals that ask a process to end."""
    client = dying("terminates-its-keeper")
    assert isinstance(client.ask(TRIGGER), Answered)
    assert isinstance(client.ask(LOOKUP), Answered)
    assert client.starts == 1


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("last-words", r"died of SIGABRT; it printed last: \x1b[31mthe end is near\x07"),
        ("last-words-of-c", "died of SIGABRT; it printed last: terminate called"),
        ("long-last-words", "www the very end"),
    ],
)
def test_a_crash_tells_the_last_words(dying, way, words):
    """A crash's message has the last printed line, shortened and without control characters."""
    answer = dying(way).ask(TRIGGER)
    assert isinstance(answer, Crashed)
    assert words in answer.message
    assert len(answer.message) < 700
    assert answer.message.isprintable()


@pytest.mark.parametrize("way", ["is-stuck", "is-stuck-with-child", "deaf"])
def test_an_import_that_hangs_obeys_the_timeout(dying, way):
    """An import that hangs is ended at the timeout, and the message names --timeout."""
    client = dying(way, timeout=1.0)
    started = time.monotonic()
    with pytest.raises(BackendBroken, match="raise --timeout if that is slow") as broken:
        _ = client.info
    assert time.monotonic() - started < 1 + SOON
    assert ("about to hang" in str(broken.value)) == (way == "is-stuck")


def test_an_import_that_works_on_may_take_longer(dying):
    """An import that uses the processor may take longer than the timeout."""
    assert dying("works-on", timeout=1.0).info.library == "zoo"


def test_a_death_at_import_is_seen_at_once(dying):
    """A death at import is noticed at once, even if a child holds the channel."""
    started = time.monotonic()
    with pytest.raises(BackendBroken, match="exit code 3 while importing zoo-dies"):
        _ = dying("dies-with-child").info
    assert time.monotonic() - started < SOON


def test_stopping_ends_what_is_imported():
    """Stopping the pool from another thread ends a worker that is importing."""
    pool = BackendPool(["zoo-dies", "numpy-reference"], 60, {"EMBCHECK_ZOO_DEATH": "is-stuck"})
    threading.Timer(1.5, pool.stop).start()
    started = time.monotonic()
    pool.start()
    pool.close()
    assert time.monotonic() - started < 1.5 + SOON
    assert isinstance(pool.problem("zoo-dies"), BackendBroken)


def test_a_client_that_was_stopped_starts_nothing(dying):
    """Stopping a client ends a waiting request at once, and a later one starts no worker."""
    client = dying("hangs")
    assert isinstance(client.ask(LOOKUP), Answered)
    threading.Timer(0.5, client.stop).start()
    started = time.monotonic()
    assert isinstance(client.ask(TRIGGER), Crashed)
    assert time.monotonic() - started < SOON
    assert "being stopped" in client.ask(LOOKUP).message
    assert client.pid is None


class Command:
    """A running `embcheck` command with a temporary folder of its own."""

    def __init__(self, folder, way, *arguments, code="main()"):
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        # A background job of a script ignores SIGINT, and its children inherit that.
        text = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        text += f"from embcheck.cli.main import main; {code}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", text, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment(), "EMBCHECK_ZOO_DEATH": way, "TMPDIR": str(self.temporary)},
            cwd=folder,
            start_new_session=True,
        )

    def wait_for(self, found, seconds=60):
        """Wait until a function returns something true, and return that."""
        deadline = time.monotonic() + seconds
        while not (seen := found()):  # A starting worker changes its command, so ask once.
            assert time.monotonic() < deadline
            assert self.process.poll() is None
            time.sleep(0.05)
        return seen

    def workers(self, name="zoo-dies"):
        """Return the processes below the command that serve a backend."""
        return [p for p in self.family() if name in " ".join(cmdline(p)) and is_worker(p)]

    def family(self):
        """Return all processes below the command."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def interrupt(self):
        """Send SIGINT; return the seconds until the command ended, and its errors."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=60)
        return time.monotonic() - started, errors.decode()


def cmdline(process):
    """Return the command line of a process; empty if it is gone."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def is_worker(process):
    """Whether a process is a worker rather than its keeper."""
    return not any("keeper.py" in word for word in cmdline(process))


def children_of(worker):
    """Return all processes below a worker's keeper."""
    return psutil.Process(worker.pid).parent().children(recursive=True)


RUN = ("run", "-b", "zoo-dies", "--specs", SMALL, "--out", "out")
ENDS = {
    "run, kill -9": (RUN, signal.SIGKILL),
    "run, SIGTERM": (RUN, signal.SIGTERM),
    "run, SIGHUP": (RUN, signal.SIGHUP),
    "fuzz, kill -9": (("fuzz", "-b", "zoo-dies", "--out", "out"), signal.SIGKILL),
    "bench, kill -9": (("bench", "-b", "zoo-dies", "--out", "out", "--profile", "quick"),
                       signal.SIGKILL),
    "check-backend, SIGTERM": (("check-backend", "zoo-dies"), signal.SIGTERM),
}  # fmt: skip


@pytest.mark.parametrize("way", ["import", "call"])
def test_when_the_harness_ends_nothing_is_left(tmp_path, way):
    """However the harness ends, its workers and temporary folders are gone within seconds."""
    chosen = {name: ends for name, ends in ENDS.items() if way == "import" or name[:3] == "run"}
    hangs = "is-stuck-with-child" if way == "import" else "litters"
    commands = {}
    for name, (arguments, _) in chosen.items():
        folder = tmp_path / name.replace(" ", "-").replace(",", "")
        folder.mkdir()
        commands[name] = Command(folder, hangs, *arguments)
    families = {}
    for name, command in commands.items():
        command.wait_for(lambda c=command: len(c.workers()) >= 2)
        families[name] = command.family()
        assert list(command.temporary.iterdir()), name
    for name, (_, number) in chosen.items():
        commands[name].process.send_signal(number)
    deadline = time.monotonic() + 15
    for name, command in commands.items():
        command.process.communicate(timeout=15)
        left = families[name]
        while left and time.monotonic() < deadline:
            left = [process for process in left if lives(process)]
            time.sleep(0.05)
        assert not left, name
        while list(command.temporary.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not list(command.temporary.iterdir()), name


def test_ctrl_c_is_obeyed_while_a_library_is_imported(tmp_path):
    """Ctrl-C during an import ends each command at once, with exit code 130."""
    commands = {}
    for name in ("run", "fuzz", "check-backend"):
        (tmp_path / name).mkdir()
        commands[name] = Command(tmp_path / name, "deaf", *next(
            arguments for title, (arguments, _) in ENDS.items() if title.startswith(name)
        ))  # fmt: skip
    for command in commands.values():
        command.wait_for(command.workers)
        time.sleep(0.3)
    for name, command in commands.items():
        seconds, errors = command.interrupt()
        assert command.process.returncode == 130, (name, errors)
        assert "interrupted" in errors
        assert "Traceback" not in errors
        assert seconds < 3, name
        if name == "run":
            assert "nothing is recorded" in errors


SLOW_SPECS = """
import time
from embcheck.cli.actions import run_suite
def slow(*_): print("reading", flush=True); time.sleep(60)
run_suite.spec_files = slow
main()
"""
SLOW_CLOSE = """
import time
from embcheck.conformance.execution.pool import BackendPool
def slow(self):
    BackendPool.close = close
    print("closing", flush=True)
    time.sleep(60)
close, BackendPool.close = BackendPool.close, slow
main()
"""


SLOW_COLLECTION = """
import time
from embcheck.conformance import pytest_items
def slow(*_): print("collecting", flush=True); time.sleep(60)
pytest_items.load_spec = slow
main()
"""


@pytest.mark.parametrize(
    ("code", "word"),
    [(SLOW_SPECS, b"reading"), (SLOW_COLLECTION, b"collecting"), (SLOW_CLOSE, b"closing")],
)
def test_ctrl_c_is_obeyed_while_specs_are_read_and_workers_are_closed(tmp_path, code, word):
    """Ctrl-C while specs are read or workers are closed ends the run at once, with 130."""
    way = "" if word == b"closing" else "deaf"
    command = Command(tmp_path, way, *RUN, code=f"\n{code}")
    assert word in command.process.stdout.read(len(word))
    seconds, errors = command.interrupt()
    assert command.process.returncode == 130, errors
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert seconds < 3
    assert ("6 of 6 results are recorded" in errors) == (word == b"closing")


def test_an_interruption_says_what_is_recorded(tmp_path):
    """An interrupted run says how many of its results are recorded."""
    command = Command(tmp_path, "hangs", *RUN)
    record = tmp_path / "out" / "results.jsonl"
    command.wait_for(lambda: record.exists() and record.read_text().count('"result"') >= 3)
    time.sleep(0.3)
    seconds, errors = command.interrupt()
    assert command.process.returncode == 130
    assert "interrupted; 3 of 6 results are recorded" in errors
    assert seconds < 3
    assert json.loads(record.read_text().partition("\n")[0])["type"] == "run"
