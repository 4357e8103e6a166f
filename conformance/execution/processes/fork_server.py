"""Workers that are forked from a process which has imported their library once.

For backends that declare `survives_fork`, once a worker of theirs has died, and from the start for
those that are known to die: a hundred crashes then cost one import. What runs in that process is
`inside.forking`.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence

from embcheck.conformance.execution.processes.confinement import ruleset
from embcheck.conformance.execution.processes.limits import UNLIMITED, Limits
from embcheck.conformance.execution.processes.process import (
    WorkerProcess,
    keepers_order,
    keepers_pipes,
    start_worker,
)
from embcheck.conformance.execution.protocol.messages import FORK_MESSAGE_BYTES, READY


class ForkServer:
    """The harness's end of such a process, which imports while the harness goes on."""

    def __init__(
        self, name: str, python: str, environment: Mapping[str, str], writable: Sequence[str]
    ) -> None:
        self._writable = list(writable)
        self._socket, theirs = socket.socketpair()
        module = "embcheck.conformance.execution.inside.forking"
        silence = os.open(os.devnull, os.O_RDWR)
        try:
            self._process = start_worker(
                [python, "-m", module, name, str(theirs.fileno())],
                environment,
                output=silence,
                channel=[theirs.fileno()],
                limits=UNLIMITED,
                writable=writable,
            )
        finally:
            os.close(silence)
            theirs.close()
        self._ready = False

    def fork(
        self, channel: Sequence[int], output: int, limits: Limits, scratch: str | None, wait: float
    ) -> WorkerProcess:
        """Fork a worker that serves the given descriptors.

        Raises OSError if the server died, or has not imported its library in `wait` seconds.
        """
        self._socket.settimeout(wait)
        if not self._ready and self._socket.recv(FORK_MESSAGE_BYTES) != READY:
            raise OSError("the backend could not be imported once more")
        self._ready = True
        with keepers_pipes() as (lifeline, status, life_read, status_write):
            descriptors = [*channel, output, life_read, status_write]
            with ruleset(self._writable) as rules:
                if rules is not None:
                    descriptors.append(rules)
                # Descriptors have other numbers at the other side, which adds them to the order.
                order = json.dumps(keepers_order(limits, scratch)).encode()
                socket.send_fds(self._socket, [order], descriptors)
        worker = WorkerProcess(lifeline, status)
        try:
            _ = worker.pid  # A server that died of the fork is noticed here, and not by a request.
        except BaseException:
            worker.close()
            raise
        return worker

    def kill(self) -> None:
        """Have the process killed; its workers are not touched."""
        self._process.kill()

    def close(self) -> None:
        """End the process; a worker of it ends too."""
        self._socket.close()
        self._process.close()
