"""Wait for a library to be imported: what still works may take longer than a call."""

from __future__ import annotations

import time

from embcheck.conformance.execution.processes.limits import work_done
from embcheck.conformance.execution.processes.starter import StartedWorker

LEAST_SECONDS = 20.0
LONGER = 3
"""A library that still works when its time is up may go on: until three times that, and for 20 s at
least, as importing it may take longer than any call."""
LOOK_SECONDS = 1.0


def await_import(channel: StartedWorker, timeout: float) -> None:
    """Wait until a worker says something.

    Raises TimeoutError, with the seconds that it took, if it does not in time, and does not work.
    """
    started = time.monotonic()
    most = max(LEAST_SECONDS, LONGER * timeout)
    channel.replies.deadline = started + timeout
    done = -1.0
    while True:
        try:
            channel.replies.wait()
        except TimeoutError:
            # The first look finds only how much was done so far; work shows from the second on.
            now, before, done = time.monotonic(), done, work_done(channel.process.pid)
            if now - started > most or (before >= 0 and done - before < 1):
                raise TimeoutError(f"{now - started:.0f}") from None
            channel.replies.deadline = now + LOOK_SECONDS
        else:
            return
