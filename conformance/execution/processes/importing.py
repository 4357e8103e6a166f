"""Wait for a library to be imported: one that still works may take longer than a call."""

from __future__ import annotations

import time

from embcheck.conformance.execution.processes.limits import work_done
from embcheck.conformance.execution.processes.starter import StartedWorker

LEAST_SECONDS = 20.0
LONGER = 3
"""An import that still works when its time is up may go on: up to LONGER times that time, and at
least up to LEAST_SECONDS, as it may take longer than any call."""
LOOK_SECONDS = 1.0


def await_import(channel: StartedWorker, timeout: float) -> None:
    """Wait for a worker's first message.

    Raises TimeoutError, with the seconds waited, if none comes within the timeout and the worker
    then does not work, or works for too long.
    """
    started = time.monotonic()
    most = max(LEAST_SECONDS, LONGER * timeout)
    channel.replies.deadline = started + timeout
    done = -1.0
    while True:
        try:
            channel.replies.wait()
        except TimeoutError:
            # The first reading is only a start value; work shows from the second on.
            now, before, done = time.monotonic(), done, work_done(channel.process.pid)
            if now - started > most or (before >= 0 and done - before < 1):
                raise TimeoutError(f"{now - started:.0f}") from None
            channel.replies.deadline = now + LOOK_SECONDS
        else:
            return
