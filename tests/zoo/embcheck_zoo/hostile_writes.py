"""Backends that write, or reach, where they should not; and one that keeps to its own folders."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from embcheck.conformance.contract.cache import cache_folder
from embcheck.conformance.contract.call import Call
from embcheck.conformance.contract.export_cache import key_of, made_once
from embcheck_zoo.base import Correct, is_trigger

VICTIM, PROCESS = "EMBCHECK_ZOO_VICTIM", "EMBCHECK_ZOO_PROCESS"
"""The environment variables with a folder that has a `file`, and with a file of a process's id."""
PLACES = "EMBCHECK_ZOO_PLACES"
"""The environment variable with patterns of paths, which end in `:`."""
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
PIDFD_OPEN, PIDFD_GETFD = 434, 438


def _victim(name: str = "") -> Path:
    return Path(os.environ[VICTIM], name)


def _file() -> Path:
    return _victim() / "file"


def _own(name: str) -> Path:
    """Return a new path in the worker's own folder, on the victim's file system."""
    return Path(tempfile.mkdtemp()) / name


def _process() -> int:
    return int(Path(os.environ[PROCESS]).read_text())


def _reaches(path: str) -> None:
    """Write to a path by way of what the kernel shows of the other process."""
    with Path(f"/proc/{_process()}/{path}").open("ab") as file:
        file.write(b"forged")


def _system_call(number: int, *arguments: int) -> int:
    result: int = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _traces() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    if libc.ptrace(PTRACE_ATTACH, _process(), 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.waitpid(_process(), 0)
    libc.ptrace(PTRACE_DETACH, _process(), 0, 0)


def _takes_a_descriptor() -> None:
    descriptor = _system_call(PIDFD_GETFD, _system_call(PIDFD_OPEN, _process(), 0), 9, 0)
    os.write(descriptor, b"forged")


def _links_and_writes() -> None:
    own = _own("link")
    os.link(_file(), own)
    own.write_text("forged")


def _points_and_writes() -> None:
    own = _own("link")
    own.symlink_to(_file())
    own.write_text("forged")


def _replaces(where: str) -> None:
    own = _own("new")
    own.write_text("forged")
    own.replace(_victim() / where)


def _through_a_child(*, detached: bool) -> None:
    code = f"open({str(_file())!r}, 'w').write('forged')"
    if detached:
        code = f"import os\nif os.fork(): os._exit(os.waitstatus_to_exitcode(os.wait()[1]))\n\
os.setsid()\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PermissionError(done.stderr.splitlines()[-1])


def _connects() -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(f"\0{os.environ[VICTIM]}")
        other.send(b"forged")


WAYS: dict[str, Callable[[], object]] = {
    "writes": lambda: _file().write_text("forged"),
    "appends": lambda: _file().open("a").write("forged"),
    "opens to read and write": lambda: _file().open("r+b").write(b"forged"),
    "truncates": lambda: os.truncate(_file(), 0),
    "truncates as it opens": lambda: os.open(_file(), os.O_RDONLY | os.O_TRUNC),
    "removes": lambda: _file().unlink(),
    "makes a file": lambda: _victim("new").touch(),
    "makes a folder": lambda: _victim("new").mkdir(),
    "makes a pipe": lambda: os.mkfifo(_victim("new")),
    "makes a link": lambda: _victim("new").symlink_to("file"),
    "makes a socket": lambda: socket.socket(socket.AF_UNIX).bind(str(_victim("new"))),
    "links it to its own": _links_and_writes,
    "points its own at it": _points_and_writes,
    "links its own to there": lambda: os.link(_made("own"), _victim("new")),
    "takes it": lambda: _file().replace(_own("taken")),
    "replaces it": lambda: _replaces("file"),
    "moves its own there": lambda: _replaces("new"),
    "renames it": lambda: _file().rename(_victim("new")),
    "removes the folder": lambda: _victim().rename(_victim().with_name("gone")),
    "writes as a child": lambda: _through_a_child(detached=False),
    "writes as a detached child": lambda: _through_a_child(detached=True),
    "writes by another's descriptor": lambda: _reaches("fd/9"),
    "writes by another's root": lambda: _reaches(f"root{_file()}"),
    "writes by another's folder": lambda: _reaches("cwd/file"),
    "writes another's memory": lambda: os.open(f"/proc/{_process()}/mem", os.O_RDWR),
    "takes another's descriptor": _takes_a_descriptor,
}
"""How a victim's folder would be changed, or a process be used for that."""

SIGNALS: dict[str, Callable[[], object]] = {
    "traces a process": _traces,
    "kills a process": lambda: os.kill(_process(), signal.SIGKILL),
    "kills its keeper": lambda: os.kill(os.getppid(), signal.SIGKILL),
    "connects to an abstract socket": _connects,
}
"""How other processes would be ended, or talked to. The last ways, as they end what is needed."""

NEVER: dict[str, Callable[[], object]] = {
    "makes a device in its own folder": lambda: os.mknod(_own("disk"), 0o60600, os.makedev(7, 0)),
    "dies": lambda: os._exit(3),
}
EACH = {**WAYS, **SIGNALS, **NEVER}


def _made(name: str) -> Path:
    own = _own(name)
    own.write_text("forged")
    return own


class Trespasses(Correct):
    """Does what the first index says, one of EACH, before it answers a `one_hot` rightly."""

    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.info, survives_fork=True)

    def answer(self, call: Call) -> Any:
        if is_trigger(call):
            list(EACH.values())[int(call.inputs["indices"].flat[0])]()
        return self.correct(call)


class OpensWhatIsRead(Correct):
    """Opens all the places to write, and changes none; an error if each is refused to it."""

    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.info, modules=("numpy",))  # Its errors are the adapter's own.

    def answer(self, call: Call) -> Any:
        if not is_trigger(call):
            return self.correct(call)
        refused = list(_refused())
        if None in refused:
            return self.correct(call)
        raise PermissionError(f"{len(refused)} of {len(refused)} places are refused")


def _refused() -> Iterator[OSError | None]:
    """Give an error for each place that cannot be written to, None for others."""
    for pattern in os.environ[PLACES].split(":"):
        found = [path for path in Path("/").glob(pattern.lstrip("/")) if path != _temporary()]
        if not found:
            raise LookupError(f"nothing is at {pattern}")
        for path in found:
            try:
                with path.open("ab") if path.is_file() else tempfile.TemporaryFile(dir=path):
                    pass
            except OSError as error:
                yield error
            else:
                yield None


def _temporary() -> Path:
    return Path(tempfile.gettempdir())


class KeepsToItself(Correct):
    """Writes only where it may: to its temporary folder, its cache, and nowhere."""

    def answer(self, call: Call) -> Any:
        if is_trigger(call):
            own = _made("own")
            os.link(own, own.with_name("second"))
            folder = cache_folder("zoo")
            made = made_once(folder, key_of("kept"), lambda: b"kept")
            (folder / "below").mkdir(exist_ok=True)
            own.replace(folder / "below" / "moved")
            os.truncate(folder / "below" / "moved", 1)
            for path in ("/dev/null", "/dev/stdout"):
                with Path(path).open("a") as file:
                    file.write("printed\n")
            child = f"open({str(folder / 'child')!r}, 'w').write('by a child')"
            subprocess.run([sys.executable, "-c", child], check=True)
            with tempfile.TemporaryFile() as unnamed, socket.socket(socket.AF_UNIX) as listener:
                unnamed.write(made if isinstance(made, bytes) else b"")
                listener.bind(f"\0embcheck-zoo-{os.getpid()}")
                listener.listen()
                with socket.socket(socket.AF_UNIX) as caller:
                    caller.connect(listener.getsockname())
            os.kill(os.getpid(), 0)
        return self.correct(call)
