"""The keeper: a worker's parent process, which watches what it uses and ends all that it started.

The harness starts it as a file, `python -I -S keeper.py ORDER COMMAND...`, and a fork server forks
it. It imports little, since each worker has one. A process that the worker started becomes a child
of the keeper when its own parent ends, even if it has detached itself.

ORDER is JSON. `lifeline` is the descriptor of a pipe that the harness keeps open as long as it
lives and needs the worker. The keeper writes the lines below to `status`. `output` is the file that
the worker prints to. `unneeded` are descriptors that only the worker uses. `scratch` is its
temporary folder. `rules` is the descriptor of a Landlock ruleset that says where it may write, null
if it is not confined. `memory`, `output_bytes`, `tasks` and `files` are limits on what it uses,
null for none. With `is_timed`, they are checked less often.

    pid N        the worker's process id; the first line
    full         the temporary folder holds much, and may be emptied between two calls
    ended N      the worker ended with this exit code, negative for a signal
    broken TEXT  the worker exceeded a limit, and is killed
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

MIB, GIB = 2**20, 2**30
OFTEN = {"look": 0.1, "family": 0.3, "files": 0.5}
"""Seconds between two checks of the worker, of all that it started, and of its temporary folder."""
SELDOM = {"look": 1.0, "family": 10.0, "files": 10.0}
"""The same for a worker that is timed. Checking it alone takes 0.02 ms, with all that it started 3
ms."""
SHARE = 200
"""The least time between two checks, in multiples of the CPU time that a check takes."""
MOST_FACTOR = 7
"""The longest interval, in multiples of the usual one, even if checks take long: a worker may take
a gigabyte a second."""
LIMITS = ("memory", "tasks", "files", "output_bytes")
ENDING_SECONDS = 10.0
FULL_SHARE = 1 / 8
"""The temporary folder is called full above this share of the limit on files."""
DEAF = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
LANDLOCK_RESTRICT_SELF = 446
HAS_PROC = os.access("/proc/self/stat", os.R_OK)
PAGE = os.sysconf("SC_PAGE_SIZE")


def keep(order: Mapping[str, Any], run: Callable[[], object]) -> NoReturn:
    """Fork a worker that calls `run`; when it or the harness ends, end all that is left."""
    _control(PR_SET_CHILD_SUBREAPER, 1)
    # A keeper that died of such a signal would leave its worker's processes behind. The worker
    # itself gets back the handlers that were set before.
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in DEAF}
    for number in DEAF:
        signal.signal(number, signal.SIG_IGN)
    # The end of a child writes to this pipe, so that one poll waits for it and for the lifeline.
    # Python writes only for signals that have a handler in Python, so one is set.
    woken, waker = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(waker, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    keeper, worker = os.getpid(), os.fork()
    if worker == 0:
        signal.set_wakeup_fd(-1)
        for number, handler in (*before.items(), (signal.SIGCHLD, signal.SIG_DFL)):
            signal.signal(number, handler)
        for descriptor in (order["lifeline"], order["status"], woken, waker):
            os.close(descriptor)
        _become_worker(keeper, order["rules"], run)
    # If the keeper held them too, the worker's channel would stay open after its death.
    for descriptor in (*order["unneeded"], order["rules"]):
        if descriptor is not None:
            os.close(descriptor)
    _say(order, f"pid {worker}")
    family = Descendants()
    _stay(order, worker, woken, Watch(order, worker, family))
    end(worker, family)
    os._exit(0)


def _become_worker(keeper: int, rules: int | None, run: Callable[[], object]) -> NoReturn:
    code = 127
    try:
        os.setsid()  # A process group of its own, which `end` kills with one signal.
        _control(PR_SET_PDEATHSIG, signal.SIGKILL)
        if rules is not None:
            _confine(rules)
        if os.getppid() == keeper:  # Else the keeper ended before PDEATHSIG was set.
            run()
            code = 0
    except BaseException:  # noqa: BLE001  (what it raises is told as its last words)
        traceback.print_exc()
    finally:
        os._exit(code)  # Whatever happened, the worker must not go on as a second keeper.


def _confine(rules: int) -> None:
    """Confine this process, and all that it will start, by a Landlock ruleset; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # Landlock demands it, except of root.
    if libc.syscall(ctypes.c_long(LANDLOCK_RESTRICT_SELF), ctypes.c_long(rules), ctypes.c_long(0)):
        raise OSError(ctypes.get_errno(), "the worker cannot be confined")
    os.close(rules)


def _stay(order: Mapping[str, Any], worker: int, woken: int, watch: Watch) -> None:
    """Wait until the worker ends, exceeds a limit, or is no longer needed."""
    poller = select.poll()
    poller.register(order["lifeline"], select.POLLIN)
    poller.register(woken, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poller.poll(watch.wait_ms)}
        if order["lifeline"] in ready:
            return
        if woken in ready:  # One byte may stand for several children, as signals are merged.
            os.read(woken, 4096)
            code = reap(worker)
            if code is not None:
                _say(order, f"ended {code}")
                return
        for line in watch.look():
            _say(order, line)
            if line.startswith("broken "):
                return


def _say(order: Mapping[str, Any], line: str) -> None:
    try:
        os.write(order["status"], f"{line}\n".encode())
    except OSError:
        return  # The harness is gone, as the lifeline shows too.


def reap(worker: int) -> int | None:
    """Reap all children that ended; return the worker's exit code if it is one of them."""
    code = None
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return code
            if pid == worker:
                code = os.waitstatus_to_exitcode(status)
    except ChildProcessError:
        return code


def end(worker: int, family: Descendants) -> None:
    """Kill all descendants of this process, also those that are forked meanwhile."""
    _signal(-worker, signal.SIGKILL)
    deadline = time.monotonic() + ENDING_SECONDS
    while time.monotonic() < deadline:
        reap(worker)  # Otherwise ended processes would be found among the descendants for ever.
        pids = family.pids()
        if not pids:
            return
        for pid in pids:  # Stopped processes cannot fork while others are killed.
            _signal(pid, signal.SIGSTOP)
        for pid in family.pids():
            _signal(pid, signal.SIGKILL)
        time.sleep(0.002)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


class Descendants:
    """The processes that descend from this one, found among all of the machine."""

    def __init__(self) -> None:
        self._keeper = os.getpid()
        self._foreign: set[int] = set()

    def pids(self) -> list[int]:
        """Return the descendants' process ids.

        A process that does not descend from this one never will: only new ones are looked at.
        """
        if not HAS_PROC:
            return []
        present = {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208
        self._foreign &= present  # The id of one that ended may be reused by one of ours.
        parents = {pid: _parent(pid) for pid in sorted(present - self._foreign)}
        ours: list[int] = []
        undecided = {pid for pid in parents if pid != self._keeper}
        known = {self._keeper}
        while found := {pid for pid in undecided if parents[pid] in known}:
            ours += found
            known, undecided = found, undecided - found
        # Others are foreign if their parent is. The rest are checked again next time, since their
        # parent ended or came after the list was read. Process 1 is no parent of ours: orphans
        # among a subreaper's descendants become its children.
        for pid in sorted(undecided):
            if parents[pid] in self._foreign or parents[pid] in (0, 1):
                self._foreign.add(pid)
        return ours


def _stat(pid: int) -> list[bytes]:
    """Return the fields of a process's /proc stat from the state on; empty if it is gone."""
    # The field before is the program's name in brackets, which may contain anything.
    return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def _parent(pid: int) -> int | None:
    told = _stat(pid)
    return int(told[1]) if told else None


def _read(path: str) -> bytes:
    """Read a small file of a process; empty if that is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _resident(pid: int) -> int:
    text = _read(f"/proc/{pid}/statm").split()
    return int(text[1]) * PAGE if len(text) > 1 else 0


def _threads(pid: int) -> int:
    told = _stat(pid)
    return int(told[17]) if told else 0


class Watch:
    """Checks of what a worker uses, which are rarer the longer they take."""

    def __init__(self, order: Mapping[str, Any], worker: int, family: Descendants) -> None:
        self._order, self._worker, self._family = order, worker, family
        self._due = {"family": 0.0, "files": 0.0}
        self._was_full = False
        self._seconds = SELDOM if order["is_timed"] else OFTEN
        # Without limits there is nothing to check: the keeper sleeps until something happens.
        is_limited = any(order[most] is not None for most in LIMITS)
        self.wait_ms = 1000 * self._seconds["look"] if is_limited else None

    def look(self) -> Iterator[str]:
        """Check what is due, and give the lines for the harness."""
        order = self._order
        most = order["output_bytes"]
        printed = 0 if most is None else os.fstat(order["output"]).st_size
        if most is not None and printed > most:
            yield f"broken it printed {printed // MIB:,} MiB in one call"
        if order["memory"] is not None or order["tasks"] is not None:
            yield from self._look_at_family()
        if order["files"] is not None and order["scratch"] and self._is_due("files"):
            started = time.process_time()
            yield from self._look_at_files()
            self._put_off("files", started)

    def _is_due(self, what: str) -> bool:
        return time.monotonic() >= self._due[what]

    def _put_off(self, what: str, started: float) -> None:
        # CPU time: on a busy machine, checks would take long by the clock, and become too rare.
        took, least = time.process_time() - started, self._seconds[what]
        self._due[what] = time.monotonic() + min(max(least, SHARE * took), MOST_FACTOR * least)

    def _look_at_family(self) -> Iterator[str]:
        """Check the worker each time, and all that it started when that is due."""
        most, most_tasks = self._order["memory"], self._order["tasks"]
        if not self._is_due("family"):
            memory, tasks = _resident(self._worker), _threads(self._worker)
        else:
            started = time.process_time()
            pids = self._family.pids() or [self._worker]
            memory, tasks = sum(map(_resident, pids)), sum(map(_threads, pids))
            self._put_off("family", started)
        if most is not None and memory > most:
            limit = f"the limit is {most / GIB:.1f} GiB"
            yield f"broken it used {memory / GIB:.1f} GiB of memory, {limit}"
        if most_tasks is not None and tasks > most_tasks:
            yield f"broken it started {tasks:,} threads, the limit is {most_tasks:,}"

    def _look_at_files(self) -> Iterator[str]:
        most, total = self._order["files"], 0
        for size in sizes(self._order["scratch"]):
            total += size
            if total > most:
                yield "full"
                yield f"broken it has more than {most / GIB:.1f} GiB of temporary files"
                return
        if total > FULL_SHARE * most and not self._was_full:
            self._was_full = True
            yield "full"


def sizes(folder: str) -> Iterator[int]:
    """Give the bytes on disk of each file below a folder; links are not followed."""
    folders = [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:  # Of a sparse file, only what it uses counts.
                        yield entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:  # It was deleted meanwhile.
            continue


def _control(option: int, value: int) -> None:
    """Set a property of this process; on systems other than Linux, do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _execute(command: list[str]) -> NoReturn:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them: a program inherits that.
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606  (the interpreter that the user named)


if __name__ == "__main__":
    keep(json.loads(sys.argv[1]), lambda: _execute(sys.argv[2:]))
