"""Workers can write only to their own folders, and reach only processes that they started.

Each attack is tried twice: it must be refused if workers are confined, and must work if they are
not. The second try shows that the attack is a real one.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from click.testing import CliRunner
from commands import SMALL, environment
from embcheck_zoo import hostile_writes as zoo

from embcheck.backends.reference.numpy_reference import NumpyReference
from embcheck.cli.main import main
from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.client import BackendBroken, WorkerClient
from embcheck.conformance.execution.inside.worker import Worker
from embcheck.conformance.execution.judging.verdict import Outcome
from embcheck.conformance.execution.processes import confinement as confining
from embcheck.conformance.execution.processes import process, starter, worker_cache
from embcheck.conformance.execution.processes.confinement import SWITCH, Confinement, confinement
from embcheck.conformance.execution.protocol.answers import Answered, Crashed, Errored, Rejected
from embcheck.conformance.reproduction.alone import Program, ask_alone
from embcheck.conformance.suite.load import suite_root
from embcheck.reports.cautions import unconfined_lines

HONEST, FORKING = "numpy-reference", "inside.forking"
ON, OFF = "1", "0"
HERE = confinement()
needs_writes = pytest.mark.skipif(not HERE.writes, reason=HERE.reason)
needs_signals = pytest.mark.skipif(not HERE.signals, reason=HERE.reason)
IS_ROOT = os.geteuid() == 0
REFUSALS = ("Permission denied", "Operation not permitted", "Invalid cross-device link")
STAND_IN = """
import os, socket, sys
os.dup2(os.open("file", os.O_WRONLY), 9)
listener = socket.socket(socket.AF_UNIX)
listener.bind("\\0" + os.getcwd())
listener.listen()
print("ready", flush=True)
sys.stdin.read()
"""
"""A process of the user's that stands for the harness, which the attacks would otherwise end."""


class Attacked:
    """A folder with a file, a process that works there, and a worker that tries to change both."""

    def __init__(self, folder, switch):
        self.folder, self.pid_file = folder / "victim", folder / "pid"
        self.process = None
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(SWITCH, switch)
            patch.setenv(zoo.VICTIM, str(self.folder))
            patch.setenv(zoo.PROCESS, str(self.pid_file))
            self.client = WorkerClient("zoo-trespasses", timeout=60)
            assert self.client.info.survives_fork
        self.switch = switch

    def restore(self):
        """Put the folder and the process back to their first state."""
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.folder.with_name("gone"), ignore_errors=True)
        self.folder.mkdir()
        (self.folder / "file").write_text("right")
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", STAND_IN],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout.readline() == b"ready\n"
        self.pid_file.write_text(str(self.process.pid))

    def is_untouched(self):
        """Whether the folder and the process are unchanged."""
        if not self.folder.is_dir() or [path.name for path in self.folder.iterdir()] != ["file"]:
            return False
        return (self.folder / "file").read_text() == "right" and self.process.poll() is None

    def attack(self, way):
        """Let the worker try an attack; return its answer."""
        index = np.array([list(zoo.EACH).index(way)])
        self.start()
        return self.client.ask(Call(Operation.ONE_HOT, {"indices": index}))

    def start(self):
        """Start the worker, confined or not."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(SWITCH, self.switch)
            assert isinstance(self.client.request({"request": "source"}), Answered)

    def close(self):
        """End the worker and the process."""
        self.client.close()
        self._end()

    def _end(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """Yield a function that returns the restored target, with a worker that is confined or not."""
    made = {}

    def get(switch):
        if switch not in made:
            made[switch] = Attacked(tmp_path_factory.mktemp("attacked"), switch)
        made[switch].restore()
        return made[switch]

    yield get
    for one in made.values():
        one.close()


def said(answer):
    """Return the message of a call that failed."""
    assert isinstance(answer, (Errored, Rejected)), answer
    return answer.message


def is_refused(answer):
    """Whether the kernel refused what a worker tried."""
    return any(refusal in said(answer) for refusal in REFUSALS)


@needs_writes
@pytest.mark.parametrize("way", list(zoo.WAYS))
def test_a_worker_cannot_change_what_is_not_its_own(attacked, way):
    """A confined worker cannot change foreign files or processes in any way that is known."""
    one = attacked(ON)
    answer = one.attack(way)
    assert is_refused(answer), answer
    assert one.is_untouched()


@needs_writes
@pytest.mark.parametrize("way", list(zoo.WAYS))
def test_each_way_works_where_workers_are_not_confined(attacked, way):
    """Each of these attacks works if workers are not confined."""
    one = attacked(OFF)
    answer = one.attack(way)
    assert isinstance(answer, Answered), answer
    assert way == "writes another's memory" or not one.is_untouched()


@needs_signals
@pytest.mark.parametrize("way", list(zoo.SIGNALS))
def test_a_worker_reaches_no_process_but_its_own(attacked, way):
    """A confined worker cannot signal the harness, its keeper or other processes."""
    one = attacked(ON)
    before = one.client.pid
    answer = one.attack(way)
    assert is_refused(answer), answer
    assert one.is_untouched()
    assert one.client.pid == before


@needs_signals
@pytest.mark.parametrize("way", list(zoo.SIGNALS))
def test_it_would_reach_others_where_it_is_not_confined(attacked, way):
    """A worker that is not confined can end the processes it signals."""
    one = attacked(OFF)
    one.start()
    keeper = psutil.Process(one.client.pid).parent()
    answer = one.attack(way)
    if way == "kills its keeper":  # It dies with its keeper, perhaps after it answered.
        await_end(keeper)
        one.client.restart()
    else:
        assert isinstance(answer, Answered), answer
    if way == "kills a process":
        one.process.wait(timeout=10)  # The answer may come before the process ended.
    assert (one.process.poll() is not None) == (way == "kills a process")


def await_end(process):
    """Wait until a process has ended, even if it is still a zombie."""
    deadline = time.monotonic() + 10
    with suppress(psutil.NoSuchProcess):
        while process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@needs_writes
@pytest.mark.skipif(not IS_ROOT, reason="only root can make devices at all")
@pytest.mark.parametrize("switch", ["1", "0"])
def test_root_makes_no_device_in_its_own_folder_either(attacked, switch):
    """As root, a confined worker cannot make a device file, which would give access to the disk."""
    answer = attacked(switch).attack("makes a device in its own folder")
    assert isinstance(answer, Answered) if switch == OFF else is_refused(answer)


@needs_signals
def test_a_worker_that_was_forked_is_confined_too(attacked):
    """A worker that was forked is confined like the first one."""
    one = attacked(ON)
    assert isinstance(one.attack("dies"), Crashed)
    answer = one.attack("writes")
    assert FORKING in commands_above(one.client.pid)
    assert is_refused(answer), answer
    assert is_refused(one.attack("kills its keeper"))
    assert is_refused(one.attack("kills a process"))
    assert one.is_untouched()


def commands_above(pid):
    """Return the command lines of the three processes above one."""
    return " ".join(" ".join(parent.cmdline()) for parent in psutil.Process(pid).parents()[:3])


@needs_writes
def test_what_is_a_workers_own_can_be_written(judge):
    """A confined worker, and what it starts, can write to its own folders, devices and output."""
    assert judge("zoo-keeps-to-itself", "one-hot").outcome is Outcome.PASSED


@needs_writes
def test_a_hostile_backend_changes_no_result_of_another(tmp_path):
    """A hostile backend can open no file that the harness reads, and changes no other results."""
    specs, cache, home = tmp_path / "specs", tmp_path / "cache", tmp_path / "home"
    shutil.copytree(SMALL.parent, specs)
    temporary, parsed = tmp_path / "tmp", cache / "parsed-specs"
    for folder in (home, temporary, parsed, cache / "workers" / "embcheck"):
        folder.mkdir(parents=True)
    (parsed / "entry").touch()
    places = [
        *(specs, specs / SMALL.name, suite_root(), suite_root() / "clauses" / "*.yaml"),
        *(zoo.__file__, confining.__file__, Path(sys.executable).resolve().parent),
        *(cache, parsed, parsed / "entry", cache / "workers" / "embcheck", home, tmp_path),
        *(tmp_path / "out" / "*", temporary, temporary / "embcheck-worker-*"),
    ]
    variables = {
        **environment(),
        zoo.PLACES: ":".join(map(str, places)),
        "EMBCHECK_CACHE": str(cache),
        "TMPDIR": str(temporary),
        "HOME": str(home),
    }

    def results(out, *backends):
        words = [word for name in backends for word in ("-b", name)]
        ran = subprocess.run(
            [sys.executable, "-m", "embcheck.cli", "run", *words, "--specs", specs, "--out", out],
            env=variables,
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        lines = (tmp_path / out / "results.jsonl").read_text("utf-8").splitlines()
        found = [json.loads(line) for line in lines]
        assert found[-1]["type"] == "end", ran.stderr
        assert found[0]["environment"]["writes_confined"] is True
        times = ("seconds", "backend_seconds")
        told = [{k: v for k, v in line.items() if k not in times} for line in found]
        return [line for line in told if line["type"] == "result"]

    alone = results("alone", HONEST)
    both = results("out", "zoo-opens-what-is-read", HONEST)
    assert [line for line in both if line["backend"] == HONEST] == alone
    (hostile,) = (line for line in both if "one-hot" in line["case"] and line["backend"] != HONEST)
    assert hostile["outcome"] == "errored", hostile
    assert re.search(r"(\d\d) of \1 places are refused", hostile["message"]), hostile


@needs_writes
@pytest.mark.parametrize("switch", ["1", "0"])
def test_a_script_is_confined_too(tmp_path, monkeypatch, switch):
    """A script of an audit is confined too."""
    monkeypatch.setenv(SWITCH, switch)
    victim, script = tmp_path / "victim", tmp_path / "script.py"
    victim.write_text("right")
    script.write_text(f"open({str(victim)!r}, 'w').write('forged')")
    info = BackendInfo(id="alone", library="none", version="1")
    (answer,) = ask_alone([Program(script, ())], info, sys.executable, 60)
    assert victim.read_text() == ("right" if switch == ON else "forged")
    assert isinstance(answer, Answered) == (switch == OFF)


def test_each_distribution_has_a_cache_of_its_own(tmp_path, monkeypatch):
    """Each distribution has its own cache; a backend only another interpreter knows has its own."""
    monkeypatch.setenv("EMBCHECK_CACHE", str(tmp_path))
    places = [
        worker_cache.worker_cache(name).relative_to(tmp_path)
        for name in ("torch-eager", "jax-take", "zoo-dies", "unknown", "../../up")
    ]
    assert list(map(str, places)) == [
        *("workers/embcheck", "workers/embcheck", "workers/embcheck-zoo"),
        *("workers/@unknown", "workers/@..-..-up"),
    ]


@pytest.mark.parametrize("place", [".", "workers", "workers/embcheck-zoo"])
def test_a_cache_that_others_can_write_to_is_not_used(tmp_path, monkeypatch, place):
    """A worker cache that others can write to is not used."""
    monkeypatch.setenv("EMBCHECK_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / place
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert worker_cache.worker_cache("zoo-dies") is None


def test_where_no_cache_can_be_made_workers_have_a_temporary_one(judge, tmp_path, monkeypatch):
    """If no cache can be made, workers run with a temporary one."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("EMBCHECK_CACHE", str(tmp_path / "file"))
    assert judge("zoo-keeps-to-itself", "one-hot").outcome is Outcome.PASSED


@needs_writes
@pytest.mark.parametrize("place", ["file", "cache"])
def test_what_goes_between_two_workers_is_made_again(tmp_path, monkeypatch, place):
    """Folders that are removed between two workers are made again."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("EMBCHECK_CACHE", str(tmp_path / place))
    client = WorkerClient("zoo-keeps-to-itself", timeout=60)
    one_hot = Call(Operation.ONE_HOT, {"indices": np.array([2])})
    assert isinstance(client.ask(one_hot), Answered)
    client.restart()
    client._starter.empty_scratch()
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    assert isinstance(client.ask(one_hot), Answered)
    client.close()


@pytest.mark.parametrize(
    ("version", "writes", "signals", "why"),
    [
        (OSError(38, "Function not implemented"), False, False, "Function not implemented"),
        (OSError(95, "Operation not supported"), False, False, "Operation not supported"),
        (1, False, False, "Landlock of Linux 6.2 is"),
        (2, False, False, "Landlock of Linux 6.2 is"),
        (3, True, False, "Landlock of Linux 6.12 is"),
        (5, True, False, "Landlock of Linux 6.12 is"),
        (6, True, True, ""),
        (9, True, True, ""),
    ],
)
def test_what_an_older_kernel_cannot_do_is_said(monkeypatch, version, writes, signals, why):
    """The reason says what an older kernel cannot confine.

    Writes are confined only if truncation can be.
    """

    def call(*_):
        if isinstance(version, OSError):
            raise version
        return version

    monkeypatch.setattr(confining, "_call", call)
    monkeypatch.setattr(confining.sys, "platform", "linux")
    monkeypatch.delenv(SWITCH, raising=False)
    found = confinement()
    assert (found.writes, found.signals) == (writes, signals)
    assert why in found.reason
    assert bool(found.reason) == (not (writes and signals))


def test_other_systems_have_none(monkeypatch):
    """Other systems than Linux confine nothing, and the reason says so."""
    monkeypatch.setattr(confining.sys, "platform", "darwin")
    assert confinement() == Confinement(reason="only Linux has Landlock")


@needs_writes
def test_a_worker_that_cannot_be_confined_does_not_run(monkeypatch):
    """If confining fails although the kernel supports it, the worker does not run."""

    @contextmanager
    def bad_ruleset(*_):
        with Path(os.devnull).open("rb") as file:
            yield file.fileno()

    monkeypatch.setattr(process, "ruleset", bad_ruleset)
    client = WorkerClient("zoo-keeps-to-itself", timeout=60)
    with pytest.raises(BackendBroken, match="the worker cannot be confined"):
        _ = client.info
    client.close()


@pytest.mark.parametrize("command", ["run", "backends"])
def test_it_is_said_where_workers_are_not_confined(tmp_path, monkeypatch, command):
    """A run without confinement says so in one line and in the record."""
    monkeypatch.setenv(SWITCH, OFF)
    monkeypatch.setenv("EMBCHECK_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    words = ["-b", HONEST, "--specs", str(SMALL), "--out", str(out)]
    said = CliRunner().invoke(main, [command, *(words if command == "run" else [HONEST])]).output
    line = f"workers are not confined, and can write wherever you can: {SWITCH}=0 is set\n"
    assert said.count(line) == 1
    if command == "run":
        told = json.loads((out / "results.jsonl").read_text("utf-8").splitlines()[0])["environment"]
        assert (told["writes_confined"], told["signals_confined"]) == (False, False)
        assert told["unconfined"] == f"{SWITCH}=0 is set"


def test_what_is_confined_in_part_is_said_so():
    """Partial confinement is reported; older runs without this field are not."""
    whole = {"writes_confined": True, "signals_confined": True, "unconfined": ""}
    part = {"writes_confined": True, "signals_confined": False, "unconfined": "old\x1b[2J"}
    assert unconfined_lines([{}, whole]) == []
    (line,) = unconfined_lines([part, part])
    assert line.startswith("workers can signal your other processes: old")
    assert "\x1b" not in line


def test_bytecode_is_written_for_workers(tmp_path, monkeypatch):
    """The harness writes missing or outdated bytecode once, since workers cannot."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / "uncompiled_module.py"
    source.write_text("raise_it = 'when it is compiled, nothing of it is run'")
    (tmp_path / "never_run.py").write_text("raise SystemExit(3)")
    monkeypatch.setitem(sys.modules, source.stem, importlib.import_module(source.stem))
    worker = Worker(NumpyReference())

    def is_named():
        return str(tmp_path) in worker.uncompiled({}, {})[0]["folders"]

    assert not is_named()  # Bytecode is switched off.
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert is_named()
    one = starter.Starter("zoo-dies", sys.executable, {})
    one.keep_bytecode([str(tmp_path), str(tmp_path / "absent")], 60)
    assert not is_named()
    os.utime(source, (time.time() + 60,) * 2)
    assert is_named()


def test_no_bytecode_is_tried_where_it_cannot_be_written(tmp_path, monkeypatch):
    """No bytecode is compiled for folders that cannot be written to."""
    monkeypatch.setattr(starter, "start_worker", pytest.fail)
    one = starter.Starter("zoo-dies", sys.executable, {})
    one.keep_bytecode([str(tmp_path / "absent")], 60)
    one.keep_bytecode([], 60)
