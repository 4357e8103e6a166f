"""A worker process, as reported by the keeper that started it: see `inside/keeper.py`."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embcheck.conformance.execution.processes.confinement import ruleset
from embcheck.conformance.execution.processes.limits import Limits

KEEPER = Path(__file__).parents[1] / "inside" / "keeper.py"
PID_SECONDS = 30.0
"""How long a keeper may take to start its worker, on a busy machine."""
ENDING_SECONDS = 5.0
"""How long a keeper may take to end its worker; after that, the keeper is killed."""


class WorkerProcess:
    """One worker process.

    `broken` says which limit it exceeded, and is empty if none. `ended` is true once it has ended
    or is being killed. `code` is its exit code, None if it was killed by its keeper. `is_full` is
    true once its temporary folder should be emptied. All are as of the last call of `hear`.
    """

    def __init__(
        self, lifeline: int, status: int, keeper: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.broken = ""
        self.ended = self.is_full = False
        self.code: int | None = None
        self._lifeline, self._status, self._keeper = lifeline, status, keeper
        self._pid: int | None = None
        self._partial = b""
        self._is_silent = False
        # Another thread may kill the worker while this one hears or closes.
        self._lock = threading.RLock()
        os.set_blocking(status, False)

    @property
    def pid(self) -> int:
        """The process id; raises OSError if the worker was never started."""
        deadline = time.monotonic() + PID_SECONDS
        while self._pid is None:
            if self._is_silent or not self._wait_for_news(deadline):
                raise OSError("the worker's keeper did not start it")
        return self._pid

    def fileno(self) -> int:
        """Return the descriptor that is readable when there are messages to `hear`."""
        return self._status

    def hear(self) -> None:
        """Read the keeper's messages so far, without waiting."""
        with self._lock:
            while not self._is_silent and self._status >= 0:
                try:
                    said = os.read(self._status, 65536)
                except BlockingIOError:
                    return
                # A read may end within a line, whose rest comes with the next one.
                *lines, self._partial = (self._partial + said).split(b"\n")
                for line in lines:
                    self._take_in(line.decode())
                if not said:  # The keeper closes its end last, when nothing is left of the worker.
                    self._is_silent = self.ended = True

    def _take_in(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "pid":
            self._pid = int(rest)
        elif word == "full":
            self.is_full = True
        elif word == "ended":
            self.ended, self.code = True, int(rest)
        else:
            self.ended, self.broken = True, rest

    def _wait_for_news(self, deadline: float) -> bool:
        """Wait for messages and hear them; False if none come by the deadline."""
        poll = select.poll()
        poll.register(self._status, select.POLLIN)
        if not poll.poll(1000 * max(0.0, deadline - time.monotonic())):
            return False
        self.hear()
        return True

    def wait(self, seconds: float) -> None:
        """Wait until nothing is left of the worker; raises TimeoutError after so many seconds."""
        deadline = time.monotonic() + seconds
        while not self._is_silent:
            if not self._wait_for_news(deadline):
                raise TimeoutError

    def kill(self) -> None:
        """Have the worker killed with all that it started; any thread may call this."""
        with self._lock:
            if self._lifeline >= 0:
                # Not by a signal: the pipe also closes if the harness is killed.
                os.close(self._lifeline)
                self._lifeline = -1

    def close(self) -> None:
        """Kill the worker if it lives, and wait until nothing is left of it."""
        self.kill()
        try:
            if not self._is_silent:
                self.wait(ENDING_SECONDS)
            if self._keeper is not None:
                self._keeper.wait()
        except TimeoutError:
            self._kill_without_keeper()
        finally:
            with self._lock:
                if self._status >= 0:
                    os.close(self._status)
                    self._status, self._is_silent = -1, True

    def _kill_without_keeper(self) -> None:
        """Kill at least the worker's process group, and the keeper, which no longer responds."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._pid is not None:
                os.killpg(self._pid, signal.SIGKILL)
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper.wait()


def start_worker(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    output: int,
    channel: Sequence[int],
    limits: Limits,
    writable: Iterable[str] | None,
    scratch: str | None = None,
    folder: str | None = None,
) -> WorkerProcess:
    """Start a program under a keeper, in the working directory `folder`.

    Only the program needs the descriptors of `channel`, so its keeper closes them. If workers are
    confined, the program may write only below `writable`; None means no confinement, for our own
    programs.
    """
    with keepers_pipes() as (lifeline, status, life_read, status_write), ruleset(writable) as rules:
        order = keepers_order(limits, scratch) | {
            "lifeline": life_read,
            "status": status_write,
            "output": 1,
            "unneeded": list(channel),
            "rules": rules,
        }
        keeper = subprocess.Popen(  # noqa: S603  (our own program)
            # -I and -S: without site packages it starts faster, and imports none of the caller's
            # modules.
            [sys.executable, "-I", "-S", str(KEEPER), json.dumps(order), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(life_read, status_write, *channel, *([] if rules is None else [rules])),
            env=environment,
            cwd=folder,
            start_new_session=True,  # Ctrl-C is not meant for it.
        )
    return WorkerProcess(lifeline, status, keeper)


@contextmanager
def keepers_pipes() -> Iterator[tuple[int, int, int, int]]:
    """Give the harness's ends of a lifeline and a status pipe, then the keeper's ends of them.

    The keeper's ends are closed at the end, since the keeper then has copies; on an error, all are.
    """
    (life_read, life_write), (status_read, status_write) = os.pipe(), os.pipe()
    try:
        yield life_write, status_read, life_read, status_write
    except BaseException:
        os.close(life_write)
        os.close(status_read)
        raise
    finally:
        os.close(life_read)
        os.close(status_write)


def keepers_order(limits: Limits, scratch: str | None) -> dict[str, Any]:
    """Return a keeper's order; the caller adds the descriptors, by their numbers in the keeper."""
    return {
        "scratch": scratch,
        "memory": limits.memory,
        "output_bytes": limits.output,
        "tasks": limits.tasks,
        "files": limits.files,
        "is_timed": limits.is_timed,
    }
