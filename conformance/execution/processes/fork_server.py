"""A process that imports a library once and forks workers from it.

It is for backends that declare `survives_fork`: from the start if they are known to crash,
otherwise once their worker is replaced. A hundred crashes then cost one import. `inside.forking`
runs in that process.
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
    """The harness's end of a fork server; the server imports while the harness goes on."""

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
                # Descriptors have other numbers in the server, which adds them to the order.
                order = json.dumps(keepers_order(limits, scratch)).encode()
                socket.send_fds(self._socket, [order], descriptors)
        worker = WorkerProcess(lifeline, status)
        try:
            _ = worker.pid  # A server that died of the fork is noticed here, not by a request.
        except BaseException:
            worker.close()
            raise
        return worker

    def kill(self) -> None:
        """Kill the process and the workers forked from it, without waiting."""
        self._process.kill()

    def close(self) -> None:
        """End the process and the workers forked from it."""
        self._socket.close()
        self._process.close()
