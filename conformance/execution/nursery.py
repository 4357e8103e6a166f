"""A process that has imported a library, called nothing of it, and forks workers from itself.

Started as `python -m embcheck.conformance.execution.nursery BACKEND SOCKET_FD` once a worker has
died, for backends that declare `survives_fork`: a hundred crashes then cost one more import.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from embcheck.conformance.execution import discovery
from embcheck.conformance.execution.processor import confine
from embcheck.conformance.execution.worker import serve

READY, FORK, WAIT = b"ready", b"fork", b"wait"
MESSAGE_BYTES = 64
START_SECONDS = 60.0


class Nursery:
    """The harness's end of such a process, which imports while the harness goes on."""

    def __init__(self, name: str, python: str, environment: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair()
        module = "embcheck.conformance.execution.nursery"
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

    def fork(self, request_read: int, reply_write: int, output: int) -> Offspring:
        """Fork a worker that serves the given descriptors; raises OSError if the nursery died."""
        self._socket.settimeout(START_SECONDS)
        self._wait_for_import()
        socket.send_fds(self._socket, [FORK], [request_read, reply_write, output])
        answer = self._socket.recv(MESSAGE_BYTES)
        if not answer:
            raise OSError("the nursery died")
        return Offspring(int(answer), self._socket)

    def _wait_for_import(self) -> None:
        if not self._ready and self._socket.recv(MESSAGE_BYTES) != READY:
            raise OSError("the backend could not be imported once more")
        self._ready = True

    def close(self) -> None:
        """End the process; its workers are not touched."""
        self._socket.close()
        self._process.kill()
        self._process.wait()


@dataclass
class Offspring:
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
                    self._socket.send(b"%s %d" % (WAIT, self.pid))
                    self._is_asked = True
                answer = self._socket.recv(MESSAGE_BYTES)
            except TimeoutError:
                raise subprocess.TimeoutExpired("worker", timeout or 0) from None
            except ConnectionError:
                answer = b""  # The nursery died, and nobody knows of its worker.
            self._code = int(answer) if answer else -signal.SIGKILL
        return self._code


def main(name: str, descriptor: int) -> None:
    """Import the backend, then fork and wait for workers as asked, until the socket closes."""
    channel = socket.socket(fileno=descriptor)
    confine()
    started = time.perf_counter()
    backend = discovery.create(name)
    seconds = time.perf_counter() - started
    for module in getattr(backend, "late_imports", ()):
        importlib.import_module(module)
    channel.send(READY)
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, MESSAGE_BYTES, 3)
        if not message:
            return
        if message.startswith(WAIT):
            _, status = os.waitpid(int(message.split()[1]), 0)
            channel.send(b"%d" % os.waitstatus_to_exitcode(status))
            continue
        pid = os.fork()
        if pid == 0:
            channel.close()
            os.setsid()
            request_read, reply_write, output = descriptors
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            serve(backend, request_read, reply_write, seconds)
            os._exit(0)
        for each in descriptors:
            os.close(each)
        channel.send(b"%d" % pid)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
