"""Workers that are forked from a process which has imported their library once.

For backends that declare `survives_fork`, once a worker of theirs has died: a hundred crashes then
cost one more import. What runs in that process is `inside.forking`.
"""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from embcheck.conformance.execution.messages import FORK, FORK_MESSAGE_BYTES, READY, WAIT

START_SECONDS = 60.0


class ForkServer:
    """The harness's end of such a process, which imports while the harness goes on."""

    def __init__(self, name: str, python: str, environment: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair()
        module = "embcheck.conformance.execution.inside.forking"
        self._process = subprocess.Popen(  # noqa: S603  (our own process)
            [python, "-m", module, name, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env=environment,
            start_new_session=True,
        )
        theirs.close()
        self._ready = False

    def fork(self, request_read: int, reply_write: int, output: int) -> ForkedWorker:
        """Fork a worker that serves the given descriptors; raises OSError if the server died."""
        self._socket.settimeout(START_SECONDS)
        self._wait_for_import()
        socket.send_fds(self._socket, [FORK], [request_read, reply_write, output])
        answer = self._socket.recv(FORK_MESSAGE_BYTES)
        if not answer:
            raise OSError("the fork server died")
        return ForkedWorker(int(answer), self._socket)

    def _wait_for_import(self) -> None:
        if not self._ready and self._socket.recv(FORK_MESSAGE_BYTES) != READY:
            raise OSError("the backend could not be imported once more")
        self._ready = True

    def close(self) -> None:
        """End the process; its workers are not touched."""
        self._socket.close()
        self._process.kill()
        self._process.wait()


@dataclass
class ForkedWorker:
    """A forked worker, with the part of `subprocess.Popen` that its owner needs."""

    pid: int
    _socket: socket.socket
    _code: int | None = None
    _is_asked: bool = False

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code, negative for a signal; raises subprocess.TimeoutExpired."""
        if self._code is None:
            self._socket.settimeout(timeout)
            try:
                if not self._is_asked:
                    # It is the server's child: the kernel tells nobody else how it ended.
                    self._socket.send(b"%s %d" % (WAIT, self.pid))
                    self._is_asked = True
                answer = self._socket.recv(FORK_MESSAGE_BYTES)
            except TimeoutError:
                raise subprocess.TimeoutExpired("worker", timeout or 0) from None
            except ConnectionError:
                answer = b""  # The server died, and nobody knows of its worker.
            self._code = int(answer) if answer else -signal.SIGKILL
        return self._code
