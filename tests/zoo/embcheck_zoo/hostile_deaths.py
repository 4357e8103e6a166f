"""Backends that die, hang or stay where that costs the most.

`EMBCHECK_ZOO_DEATH` names the way, so that one adapter stands for many.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from embcheck.conformance.contract.call import Call
from embcheck_zoo.base import Correct, is_trigger

SLEEPER = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]


def leave_a_child(*, detached: bool = False, holds: bool = True) -> int:
    """Start a process that stays, and may hold all that this one has open; return its id."""
    if not holds:
        return subprocess.Popen(SLEEPER, start_new_session=detached).pid
    pid = os.fork()
    if pid == 0:
        if detached:
            os.setsid()
            if os.fork():
                os._exit(0)
        time.sleep(600)
        os._exit(0)
    return pid


class Dies(Correct):
    """Dies, or does not, in the way that the environment names."""

    def __init__(self) -> None:
        super().__init__()
        self._way = os.environ.get("EMBCHECK_ZOO_DEATH", "")
        at_import = getattr(self, f"_import_{self._way}".replace("-", "_"), None)
        if at_import is not None:
            at_import()

    def answer(self, call: Call) -> Any:
        way = getattr(self, f"_call_{self._way}".replace("-", "_"), None)
        if is_trigger(call) and way is not None:
            way()
        return self.correct(call)

    def _import_is_stuck(self) -> None:
        print("about to hang", flush=True)
        time.sleep(600)

    def _import_is_stuck_with_child(self) -> None:
        leave_a_child()
        time.sleep(600)

    def _import_works_on(self) -> None:
        until = time.monotonic() + 4
        while time.monotonic() < until:
            sum(range(10_000))

    def _import_dies_with_child(self) -> None:
        leave_a_child()
        os._exit(3)

    def _import_deaf(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(600)

    def _call_child_holds(self) -> None:
        leave_a_child()
        os.kill(os.getpid(), signal.SIGSEGV)

    def _call_detached_holds(self) -> None:
        leave_a_child(detached=True)
        os._exit(7)

    def _call_children_hold(self) -> None:
        for _ in range(5):
            leave_a_child(detached=True)
        os.kill(os.getpid(), signal.SIGKILL)

    def _call_child_killed_by_thread(self) -> None:
        leave_a_child()
        threading.Thread(target=os._exit, args=(9,)).start()
        time.sleep(600)

    def _call_child_stays(self) -> None:
        leave_a_child(detached=True, holds=False)

    def _call_daemons_stay(self) -> None:
        for _ in range(3):
            leave_a_child(detached=True)

    def _call_stops_itself(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    def _call_kills_its_keeper(self) -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)

    def _call_terminates_its_keeper(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            os.kill(os.getppid(), number)

    def _call_stops_its_keeper(self) -> None:
        os.kill(os.getppid(), signal.SIGSTOP)
        time.sleep(600)

    def _call_last_words(self) -> None:
        print("\x1b[31mthe end is near\x07", flush=True)
        os.abort()

    def _call_last_words_of_c(self) -> None:
        libc = ctypes.CDLL(None)
        libc.dprintf(2, b"terminate called\n")
        libc.abort()

    def _call_long_last_words(self) -> None:
        os.write(2, b"w" * 5_000_000 + b" the very end")
        os._exit(1)

    def _call_closes_all(self) -> None:
        os.closerange(3, 100)
        time.sleep(600)

    def _call_hangs(self) -> None:
        time.sleep(600)

    def _call_litters(self) -> None:
        folder = Path(tempfile.mkdtemp())
        (folder / "x").write_bytes(b"x")
        folder.chmod(0)
        leave_a_child(detached=True)
        time.sleep(600)

    def _call_drips(self) -> None:
        """Send one byte at a time, of a frame that never ends."""
        for descriptor in range(3, 40):
            try:
                is_pipe = str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith("pipe:")
                if is_pipe and os.write(descriptor, b"\xff\xff\x0f\0\0\0\0\0"):
                    break
            except OSError:
                continue
        while True:
            os.write(descriptor, b" ")
            time.sleep(0.05)
