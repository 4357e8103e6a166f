"""Failures around the results: full disks, bad folders, broken pipes, other runs, old files."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner
from commands import SMALL, environment
from test_records import header, result

from embcheck.cli.main import main
from embcheck.conformance import pytest_session
from embcheck.conformance.execution.processes.confinement import SWITCH
from embcheck.conformance.records.claim import LOCK, InUse, claimed
from embcheck.conformance.records.run import read_runs
from embcheck.conformance.records.writer import PREVIOUS, CannotWrite, RunWriter, write_whole

FILE = "results.jsonl"
ONE = ("run", "-b", "numpy-reference", "--specs", SMALL)


def embcheck(*arguments):
    """Run the command in this process; it must end by itself and without a traceback."""
    before = dict(os.environ)  # `run` sets variables for the pytest that it starts.
    try:
        done = CliRunner().invoke(main, list(map(str, arguments)))
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert isinstance(done.exception, SystemExit | None), done.exception
    assert "\nTraceback" not in done.stderr
    assert "\nINTERNALERROR" not in done.output
    return done


@contextmanager
def disk_of(size):
    """Limit the size of all files that this process writes.

    Bytecode is not written meanwhile: cut short, it would break later imports.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "dont_write_bytecode", True)
        patched.setenv("PYTHONDONTWRITEBYTECODE", "1")  # For the workers.
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def other_run(folder):
    """Hold a folder in another process, as a run does; yield that process."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from embcheck.conformance.records.claim import claimed\n"
        "with claimed(Path(sys.argv[1])):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, env=environment()
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


# Full disks.


def _fill(writer):
    for _ in range(100):
        writer.write(result(), result())


@pytest.mark.parametrize("room", [0, 1, 100, 700, 1500])
def test_what_fitted_is_whole_and_counted(tmp_path, room):
    """On a full disk, only whole lines stay in the record, and the error counts their results."""
    writer = RunWriter(tmp_path, header())
    writer.write(result())
    size = writer.path.stat().st_size
    with disk_of(size + room), pytest.raises(CannotWrite) as told:
        _fill(writer)
    (run,) = read_runs(tmp_path)
    assert run.partial
    assert len(run.results) % 2 == 1
    assert writer.path.read_bytes().endswith(b"}\n")
    count = len(run.results)
    words = "1 result so far are" if count == 1 else f"{count} results so far are"
    assert f"{words} recorded in {writer.path}" in str(told.value)
    writer.write(result())
    assert len(read_runs(tmp_path)[0].results) == count + 1


@pytest.mark.parametrize("room", [0, 100])
def test_a_disk_that_is_full_at_the_start_leaves_the_earlier_record(tmp_path, room):
    """On a disk that is full at the start, the new run is refused and the old record stays."""
    RunWriter(tmp_path, header()).finish(0)
    before = (tmp_path / FILE).read_bytes()
    with disk_of(room), pytest.raises(OSError, match="File too large"):
        RunWriter(tmp_path, header())
    assert (tmp_path / FILE).read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def test_a_footer_that_does_not_fit_leaves_a_partial_run(tmp_path):
    """If the footer does not fit, all results stay, and the run is partial."""
    writer = RunWriter(tmp_path, header())
    writer.write(result())
    with disk_of(writer.path.stat().st_size + 10), pytest.raises(CannotWrite, match="1 result"):
        writer.finish(0)
    writer.close()
    assert read_runs(tmp_path)[0].partial


@pytest.mark.parametrize("name", ["results.jsonl", "a report.html"])
def test_a_file_that_does_not_fit_leaves_the_earlier_one(tmp_path, name):
    """A file that does not fit leaves the earlier one, and no unfinished file."""
    write_whole(tmp_path / name, "before")
    with disk_of(1000), pytest.raises(OSError, match="File too large"):
        write_whole(tmp_path / name, "x" * 10_000)
    assert (tmp_path / name).read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_run_on_a_disk_that_fills_up(tmp_path):
    """A run on a disk that fills up stops with 2, and says how much is recorded and where."""
    done = embcheck(*ONE, "--out", tmp_path / "whole")
    size = (tmp_path / "whole" / FILE).stat().st_size
    assert done.exit_code == 0
    with disk_of(size // 2):
        done = embcheck(*ONE, "--out", tmp_path / "out")
    assert done.exit_code == 2
    (run,) = read_runs(tmp_path / "out")
    assert run.partial
    assert 0 < len(run.results) < 6
    (line,) = done.stderr.splitlines()
    assert "cannot write" in line
    assert "File too large" in line
    assert f"{len(run.results)} results so far are recorded in {tmp_path / 'out' / FILE}" in line


def test_only_the_junit_file_does_not_fit(tmp_path):
    """If only the JUnit file cannot be written, the record is whole and the exit code is 2."""
    (tmp_path / "junit.xml").mkdir()
    done = embcheck(*ONE, "--out", tmp_path)
    assert done.exit_code == 2
    assert "cannot write junit.xml: " in done.stderr
    assert not read_runs(tmp_path)[0].partial
    assert "numpy-reference" in done.stdout
    assert sorted(file.name for file in tmp_path.iterdir()) == ["junit.xml", FILE]


# Folders that disappear, or that cannot be made.


@pytest.mark.parametrize("how", ["removes", "moves", "puts a file there"])
def test_a_folder_that_is_taken_away_in_mid_run(tmp_path, monkeypatch, how):
    """If the folder is taken away during a run, its record is restored or saved elsewhere."""
    out, saved = tmp_path / "out", tmp_path / "tmp"
    saved.mkdir()
    monkeypatch.setenv("EMBCHECK_ZOO_VICTIM", str(out))
    monkeypatch.setenv("EMBCHECK_ZOO_HOW", how)
    monkeypatch.setenv(SWITCH, "0")  # So that a worker can do what others may do.
    monkeypatch.setattr("tempfile.tempdir", str(saved))
    done = embcheck("run", "-b", "zoo-takes-away", "--specs", SMALL, "--out", out)
    if how != "puts a file there":
        assert done.exit_code == 0, done.stderr
        (run,) = read_runs(out)
        assert len(run.results) == 6
        assert not run.partial
        assert ET.parse(out / "junit.xml").findall(".//testcase")
        return
    assert done.exit_code == 2
    assert out.read_text() == "mine"
    if "nothing is recorded" in done.stderr:  # Cases may be asked before any is recorded.
        return
    (copy,) = saved.glob("embcheck-results-*")
    said = re.sub(r"\s+", " ", done.stderr)
    assert "another file has taken its place" in said
    assert f"so far are recorded in {copy}" in said
    (run,) = read_runs(copy)
    assert run.partial
    assert 0 < len(run.results) < 6


@pytest.mark.parametrize("how", ["removed", "moved", "renamed"])
def test_a_record_that_is_taken_away_is_put_back(tmp_path, how):
    """A record that is removed or moved is written again, with all earlier results."""
    out = tmp_path / "out"
    writer = RunWriter(out, header())
    writer.write(result())
    if how == "removed":
        writer.path.unlink()
    elif how == "moved":
        out.rename(tmp_path / "elsewhere")
    else:
        writer.path.rename(out / "other.jsonl")
    writer.write(result())
    writer.finish(0)
    (run,) = read_runs(out)
    assert len(run.results) == 2
    assert run.footer is not None


def test_another_record_in_its_place_is_not_touched(tmp_path):
    """If another file took the record's place, it stays, and a copy is saved elsewhere."""
    writer = RunWriter(tmp_path, header())
    writer.write(result())
    writer.path.unlink()
    writer.path.write_text("theirs")
    with pytest.raises(CannotWrite, match="another file has taken its place") as told:
        writer.write(result())
    assert writer.path.read_text() == "theirs"
    copy = Path(str(told.value).rpartition("recorded in ")[2])
    assert len(read_runs(copy)[0].results) == 1
    copy.unlink()


def _file(place):
    place.write_text("mine")
    return place


def _below_a_file(place):
    place.write_text("mine")
    return place / "below"


def _loop(place):
    place.symlink_to(place)
    return place / "out"


def _long(place):
    return place / ("x" * 300)


def _no_permission(_):
    return Path("/proc/1/embcheck-out")


NO_FOLDERS = [_file, _below_a_file, _loop, _long, _no_permission]


@pytest.mark.parametrize("make", NO_FOLDERS)
@pytest.mark.parametrize(
    "command",
    [
        ONE,
        ("merge", "{run}"),
        ("triage", "{failing}"),
        ("coverage", "--docstrings", "{docstrings}"),
        ("new-backend", "mylib-take"),
    ],
    ids=lambda command: command[0],
)
def test_a_folder_that_cannot_be(tmp_path, folders, command, make):
    """A folder that cannot be made is reported in one line with exit code 2, changing nothing."""
    place = make(tmp_path / "place")
    words = [str(word).format(**folders) for word in command]
    done = embcheck(*words, "--out", place)
    assert done.exit_code == 2, done.output
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith("Usage")]
    assert len([line for line in lines if "--help" not in line]) == 1, done.stderr
    if make in (_file, _below_a_file):
        assert (tmp_path / "place").read_text() == "mine"


@pytest.mark.parametrize("make", NO_FOLDERS)
def test_a_report_that_cannot_be(tmp_path, folders, make):
    """A report that cannot be written is reported in one line with exit code 2."""
    place = make(tmp_path / "place")
    done = embcheck("report", folders["run"], "--html", place / "r.html")
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("embcheck report: cannot write ")


def test_a_report_to_a_device_replaces_none(folders):
    """A report written to a device does not replace the device, even as root."""
    before = Path("/dev/null").stat()
    done = embcheck("report", folders["run"], "--html", "/dev/null")
    assert done.exit_code == 0
    assert os.path.samestat(before, Path("/dev/null").stat())
    done = embcheck("report", folders["run"], "--html", "/dev/full")
    assert done.exit_code == 2
    assert "cannot write /dev/full: No space left on device" in done.stderr


def test_a_new_backend_that_does_not_fit_leaves_nothing(tmp_path, monkeypatch):
    """A new backend that does not fit leaves nothing, so that the next try is not refused."""
    with disk_of(800):
        done = embcheck("new-backend", "mylib-take", "--out", tmp_path)
    assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "File too large" in done.stderr
    monkeypatch.chdir(tmp_path)
    assert embcheck("new-backend", "mylib-take").exit_code == 0


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return folders with a finished run and a failing one, and a file of docstrings."""
    made = {name: str(tmp_path_factory.mktemp(name)) for name in ("run", "failing")}
    for name, folder in made.items():
        writer = RunWriter(Path(folder), header())
        failed = replace(result(outcome="failed"), kind="wrong-value", silent=True)
        writer.write(failed if name == "failing" else result())
        writer.finish(0)
    docstrings = tmp_path_factory.mktemp("docstrings") / "docstrings.json"
    docstrings.write_text("{}")
    return {**made, "docstrings": str(docstrings)}


# Two runs into one folder.


@pytest.mark.parametrize(
    "command",
    [
        (*ONE, "--out", "{out}"),
        ("bench", "-b", "numpy-reference", "--out", "{out}"),
        ("fuzz", "-b", "numpy-reference", "--examples", "1", "--out", "{out}"),
        ("merge", "{run}", "--out", "{out}"),
    ],
    ids=lambda command: command[0],
)
def test_the_second_run_is_refused(tmp_path, folders, command):
    """A second run into the same folder is refused at once, naming the first one's process."""
    (tmp_path / FILE).write_text("of the first")
    with other_run(tmp_path) as first:
        began = time.monotonic()
        done = embcheck(*[str(word).format(out=tmp_path, **folders) for word in command])
        assert time.monotonic() - began < 10
        assert done.exit_code == 2
        (line,) = done.stderr.splitlines()
        assert f"{tmp_path} is in use by a run of process {first.pid}: " in line
        assert (tmp_path / FILE).read_text() == "of the first"
        assert sorted(file.name for file in tmp_path.iterdir()) == [LOCK, FILE]


def test_a_killed_run_blocks_nobody(tmp_path):
    """A killed run leaves its lock file but not the lock."""
    with other_run(tmp_path) as first:
        first.kill()
        first.wait()
    assert (tmp_path / LOCK).exists()
    with claimed(tmp_path):
        assert int((tmp_path / LOCK).read_text()) == os.getpid()
        with claimed(tmp_path):
            pass
        assert (tmp_path / LOCK).exists()
    assert not (tmp_path / LOCK).exists()


@pytest.mark.parametrize("text", [b"", b"\xff" * 9, b"-5", b"9" * 5000, b"1\x1b[2J", b"\n" * 99])
def test_a_lock_file_of_any_bytes_is_one(tmp_path, text):
    """A lock file with any content works; what is no process id is not shown."""
    (tmp_path / LOCK).write_bytes(text)
    with claimed(tmp_path):
        assert int((tmp_path / LOCK).read_text()) == os.getpid()
    with other_run(tmp_path):
        (tmp_path / LOCK).write_bytes(text)
        with pytest.raises(InUse) as told, claimed(tmp_path):
            pass
    assert re.search(r"of (process \d{1,20}|another process): wait", str(told.value))


@pytest.mark.parametrize("kind", ["folder", "link", "loop"])
def test_a_lock_that_is_no_file(tmp_path, kind):
    """A lock file that is a folder or a link is refused in one line, and its target stays."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    if kind == "folder":
        (out / LOCK).mkdir()
    else:
        (out / LOCK).symlink_to(victim if kind == "link" else out / LOCK)
    done = embcheck(*ONE, "--out", out)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert LOCK in line
    assert victim.read_text() == "mine"


# Files that were in the folder before.

OLD = {
    "nothing": b"",
    "no UTF-8": b"\xff\xfe\x00" * 1000,
    "UTF-16": '{"type": "run"}\n'.encode("utf-16"),
    "deep": b"[" * 100_000,
    "a deep run": b'{"type": "run", "purpose": ' + b"[" * 100_000 + b"\n",
    "a long number": b'{"type": "run", "purpose": ' + b"9" * 5000 + b"}\n",
    "a run of another type": b'{"type": "run", "purpose": ["timing"]}\n{"type": "end"}\n',
    "a list": b"[1, 2]\n",
    "noise in another run": b'{"type": "run", "purpose": "timing"}\nnoise\n',
    "a number in another run": b'{"type": "run", "purpose": "timing"}\n' + b"9" * 5000 + b"\n",
    "deep in another run": b'{"type": "run", "purpose": "timing"}\n' + b"[" * 99_999 + b"\n",
    "zeros": b"\0" * 10_000,
    "no end of a line": b'{"type": "run", "purpose": "timing"}',
    "a surrogate": b'{"type": "run", "purpose": "\\ud800"}\n',
}


@pytest.mark.parametrize("what", OLD)
def test_an_old_file_of_any_bytes(tmp_path, what):
    """An old file with any content is kept aside, and the new run is recorded."""
    (tmp_path / FILE).write_bytes(OLD[what])
    writer = RunWriter(tmp_path, header())
    writer.write(result())
    writer.finish(0)
    lines = (tmp_path / FILE).read_text("utf-8").splitlines()
    assert [json.loads(line)["type"] for line in lines[-3:]] == ["run", "result", "end"]
    assert all(isinstance(json.loads(line), dict) for line in lines)
    kept = "\n".join(lines[:-3]).encode()
    if OLD[what].strip() != kept:
        assert (tmp_path / PREVIOUS).read_bytes() == OLD[what]


@pytest.mark.parametrize("name", [FILE, f"{FILE}.part", PREVIOUS])
@pytest.mark.parametrize("kind", ["folder", "pipe", "endless", "full", "loop", "dangling"])
def test_an_old_file_that_is_none(tmp_path, name, kind):
    """An old file that is no regular file is replaced or refused in one line, without waiting."""
    RunWriter(tmp_path, header()).finish(0)
    before = (tmp_path / FILE).read_bytes()
    (tmp_path / name).unlink(missing_ok=True)
    if kind == "folder":
        (tmp_path / name).mkdir()
    elif kind == "pipe":
        os.mkfifo(tmp_path / name)
    else:
        place = {"endless": "/dev/zero", "full": "/dev/full", "dangling": "/nonexistent/file"}
        (tmp_path / name).symlink_to(place.get(kind, name))
    if kind == "folder" or (name == FILE and kind not in ("loop", "dangling")):
        with pytest.raises(OSError, match=name):
            RunWriter(tmp_path, header())
        assert name == FILE or (tmp_path / FILE).read_bytes() == before
        assert name != FILE or not (tmp_path / PREVIOUS).exists()
        return
    RunWriter(tmp_path, header()).finish(0)
    assert (tmp_path / FILE).is_file()
    assert len(read_runs(tmp_path)) == 1


@pytest.mark.parametrize("kind", ["folder", "endless"])
def test_a_run_into_what_is_no_file(tmp_path, kind):
    """A run into a record that is no regular file is refused in one line, with exit code 2."""
    place = tmp_path / FILE
    place.mkdir() if kind == "folder" else place.symlink_to("/dev/zero")
    done = embcheck(*ONE, "--out", tmp_path)
    assert done.exit_code == 2
    (line,) = filter(None, done.stderr.splitlines())
    assert f"cannot write to {tmp_path}: {FILE} is not a regular file; remove it" in line


# Standard output and error that are closed, full, or not read.


def forked(arguments, prepare, err):
    """Run the command in a fork of this process; return its exit code."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 99
    try:
        os.dup2(os.open(err, os.O_CREAT | os.O_WRONLY, 0o600), 2)
        prepare()
        for number, name in ((1, "stdout"), (2, "stderr")):
            try:
                os.fstat(number)
                setattr(sys, name, os.fdopen(number, "w", closefd=False))
            except OSError:
                setattr(sys, name, None)
        main(list(map(str, arguments)))
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException as error:  # noqa: BLE001  (told below, by the parent)
        os.write(2, repr(error).encode())
    finally:
        os._exit(code)


def _nobody_reads():
    read, write = os.pipe()
    os.close(read)
    os.dup2(write, 1)


def _nobody_reads_errors():
    _nobody_reads()
    os.dup2(1, 2)


def _full():
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


BROKEN = {
    "| head": _nobody_reads,
    "2>&1 | head": _nobody_reads_errors,
    ">&-": lambda: os.close(1),
    "2>&-": lambda: os.close(2),
    ">&- 2>&-": lambda: os.closerange(1, 3),
    "<&- >&- 2>&-": lambda: os.closerange(0, 3),
    "> /dev/full": _full,
}
COMMANDS = {
    "report": (("report", "{run}", "--html", "{out}/r.html"), 0),
    "report, nothing": (("report", "{out}"), 2),
    "diff": (("diff", "{run}", "{run}"), 0),
    "diff, changed": (("diff", "{run}", "{failing}"), 1),
    "diff --json": (("diff", "{run}", "{failing}", "--json"), 1),
    "merge": (("merge", "{run}", "--out", "{out}"), 0),
    "triage": (("triage", "{failing}", "--out", "{out}"), 0),
    "check": (("check", SMALL), 0),
    "check, wrong": (("check", "{failing}/results.jsonl"), 2),
    "new-backend": (("new-backend", "mylib-take", "--out", "{out}"), 0),
    "audit, nothing": (("audit", "{run}", "--draws", "0"), 2),
    "bench, unknown": (("bench", "-b", "nosuch", "--out", "{out}"), 2),
    "fuzz, unknown": (("fuzz", "-b", "nosuch", "--out", "{out}"), 2),
    "run, unknown": (("run", "-b", "nosuch", "--out", "{out}"), 2),
    "reproduce, unknown": (("reproduce", "x", "-b", "numpy-reference", "--specs", SMALL), 2),
    "check-backend, unknown": (("check-backend", "nosuch"), 2),
    "coverage, nothing": (("coverage", "--docstrings", "{out}"), 2),
    "backends, unknown": (("backends", "nosuch"), 2),
    "--help": (("--help",), 0),
    "--version": (("--version",), 0),
}


@pytest.fixture(scope="module")
def _actions():
    """Import the commands' actions once, so that the forks need not."""
    for name in COMMANDS:
        with suppress(ModuleNotFoundError):
            import_module(f"embcheck.cli.actions.{name.partition(',')[0].replace('-', '_')}")


@pytest.mark.usefixtures("_actions")
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("command", COMMANDS)
def test_broken_output_changes_no_exit_code(tmp_path, folders, command, how):
    """Broken output changes no exit code, except that a full disk turns 0 into 2."""
    words, code = COMMANDS[command]
    (tmp_path / "out").mkdir()
    arguments = [str(word).format(out=tmp_path / "out", **folders) for word in words]
    ended = forked(arguments, BROKEN[how], tmp_path / "err")
    err = (tmp_path / "err").read_text()
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    if how == "> /dev/full" and code == 0:
        assert (ended, err.splitlines()[-1:]) == (
            2,
            ["embcheck: cannot write to standard output: No space left on device"],
        ), err
    else:
        assert ended == code, err


@pytest.mark.parametrize("how", ["| head", "<&- >&- 2>&-", "> /dev/full"])
@pytest.mark.parametrize(("backend", "code"), [("numpy-reference", 0), ("zoo-wrong-row", 1)])
def test_a_run_whose_output_is_broken(tmp_path, how, backend, code):
    """A run with broken output has a whole record, with nothing else in it."""
    arguments = ["run", "-b", backend, "--specs", SMALL, "--out", tmp_path / "out"]
    ended = forked(arguments, BROKEN[how], tmp_path / "err")
    assert ended == (code or 2 if how == "> /dev/full" else code), (tmp_path / "err").read_text()
    (run,) = read_runs(tmp_path / "out")
    assert not run.partial
    assert len(run.results) == 6


# Unexpected errors.


class Odd(Exception):
    """An error that no part of the command handles."""


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (Odd("\x1b[2Jone\ntwo"), 3, "a fault of the harness: Odd: \\x1b[2Jone two; please"),
        (RecursionError("too deep"), 3, "a fault of the harness: RecursionError: too deep"),
        (MemoryError(), 3, "a fault of the harness: MemoryError; please report it"),
        (KeyError("x" * 9999), 3, "a fault of the harness: KeyError: 'xxx"),
        (OSError(errno.ENOSPC, "No space left on device", "a\x1bb"), 2, "a\\x1bb: No space left"),
        (OSError(errno.EPIPE, "Broken pipe"), 2, "Broken pipe"),
        (TimeoutError("slow"), 2, "slow"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
@pytest.mark.parametrize("wants", [False, True])
def test_what_nobody_expected_is_one_line(tmp_path, monkeypatch, error, code, words, wants):
    """An unexpected error is one line with a request to report it; a traceback only if asked."""

    def fails(*_):
        raise error

    if wants:
        monkeypatch.setenv("EMBCHECK_TRACEBACK", "1")
    monkeypatch.setattr("embcheck.conformance.check_files.check_files", fails)
    monkeypatch.setattr("embcheck.cli.actions.check.check_files", fails)
    done = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert done.exit_code == code
    line, *rest = done.stderr.splitlines()
    assert words in line
    assert line.startswith("embcheck: ")
    assert len(line) < 1000
    assert ("Traceback" in done.stderr) == (wants and code != 130)
    assert bool(rest) == (wants and code != 130)
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("place", ["gravest", "describe_environment", "explain"])
def test_a_fault_in_the_middle_of_a_run(tmp_path, monkeypatch, place):
    """A fault of the harness ends a run with exit code 3, and earlier results are readable."""
    calls = []
    real = getattr(pytest_session, place)

    def fails(*arguments, **named):
        calls.append(arguments)
        if len(calls) == 3 or place == "describe_environment":
            raise Odd("this is odd")
        return real(*arguments, **named)

    monkeypatch.setattr(pytest_session, place, fails)
    done = embcheck(*ONE, "--out", tmp_path)
    assert done.exit_code == 3
    if place == "gravest":
        assert "embcheck: a fault of the harness: Odd: this is odd; please report" in done.stderr
        assert "embcheck: 2 results so far are recorded" in done.stderr
        assert len(read_runs(tmp_path)[0].results) == 2


@pytest.mark.parametrize("plugin", [(), ("-n", "1")])
def test_under_pytest_itself_a_full_disk_is_one_line(tmp_path, plugin):
    """Under pytest, with and without xdist, a full disk is reported in one line."""
    code = (
        "import resource, sys, pytest\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.RLIM_INFINITY))\n"
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    arguments = ["-p", "no:cacheprovider", "--embcheck-backend", "numpy-reference", *plugin]
    keeps_no_module = {**environment(), "PYTHONDONTWRITEBYTECODE": "1"}  # None is cut short.
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, f"--embcheck-out={tmp_path}", str(SMALL)],
        capture_output=True, text=True, timeout=120, check=False, env=keeps_no_module, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert "File too large; " in done.stdout
    (run,) = read_runs(tmp_path)
    assert run.partial
    assert run.results


def test_ctrl_c_while_specs_are_read_is_an_interruption(tmp_path, monkeypatch):
    """Ctrl-C while specs are read exits with 130."""
    monkeypatch.setattr(
        "embcheck.cli.actions.run_suite.spec_files",
        lambda _: signal.raise_signal(signal.SIGINT),
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert embcheck(*ONE, "--out", tmp_path / "out").exit_code == 130
    finally:
        signal.signal(signal.SIGINT, before)


# The list of backends.

HOSTILE = ("zoo-hostile-info", "zoo-hostile-reason", "zoo-hostile-fault", "zoo-silent-end")


def test_the_list_of_backends_shows_hostile_ones(monkeypatch):
    """The list of backends shows hostile ones with control characters escaped."""
    monkeypatch.setenv("COLUMNS", "80")
    done = embcheck("backends", *HOSTILE, "numpy-reference")
    assert done.exit_code == 0
    assert done.stdout.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", done.stdout)
    lines = done.stdout.splitlines()
    info, reason, fault, silent = HOSTILE
    heads = [line for line in lines if not line.startswith("  ")]
    assert heads == [info, "numpy-reference", "Not here, 1 backend", fault, silent]
    assert f"    {reason}" in lines
    assert max(map(len, done.stdout.splitlines())) < 700
    assert json.loads(embcheck("backends", "--json", "numpy-reference").stdout)
