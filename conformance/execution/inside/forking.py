"""The fork server's process: it imports a library, calls nothing of it, and forks workers.

Started as `python -m embcheck.conformance.execution.inside.forking BACKEND SOCKET_FD`; see
`fork_server`, which is the harness's end.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
from contextlib import suppress
from importlib.metadata import version

from embcheck.conformance.contract.backend import Backend
from embcheck.conformance.execution.inside.channel import Channel
from embcheck.conformance.execution.inside.keeper import keep
from embcheck.conformance.execution.inside.start import start
from embcheck.conformance.execution.inside.worker import serve
from embcheck.conformance.execution.protocol.messages import FORK_MESSAGE_BYTES, READY

DESCRIPTORS = 6
"""The most descriptors in a message: two ends of the worker's channel, its output, its lifeline,
its keeper's status pipe, and the ruleset if workers are confined."""


def main(name: str, descriptor: int) -> None:
    """Import the backend, then fork keepers with a worker each, until the socket is closed."""
    channel = socket.socket(fileno=descriptor)
    backend, seconds = start(name)
    # Otherwise every worker would import again what a library imports at its first call.
    for module in getattr(backend, "late_imports", ()):
        importlib.import_module(module)
    version("embcheck")  # Imports its parser now; a worker's hello would do so each time.
    channel.send(READY)
    keepers: list[int] = []
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, FORK_MESSAGE_BYTES, DESCRIPTORS)
        if not message:
            return
        # Keepers of earlier workers stay zombies until somebody waits for them.
        keepers = [pid for pid in keepers if not _has_ended(pid)]
        pid = os.fork()
        if pid == 0:
            _keep(backend, json.loads(message), descriptors, channel, seconds)
        keepers.append(pid)
        # Otherwise the worker's pipes would stay open here, and hide its death.
        for each in descriptors:
            os.close(each)


def _keep(
    backend: Backend,
    order: dict[str, object],
    descriptors: list[int],
    channel: socket.socket,
    seconds: float,
) -> None:
    """Become the keeper of a worker that serves the given descriptors."""
    request_read, reply_write, output, lifeline, status, *rules = descriptors
    channel.close()  # Otherwise the worker could read the server's messages.
    os.setsid()  # Signals to the server's process group are not meant for the worker.

    def run() -> None:
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        serve(Channel(request_read, reply_write), backend, seconds)

    told = {"lifeline": lifeline, "status": status, "output": output}
    more = {"unneeded": [request_read, reply_write], "rules": rules[0] if rules else None}
    keep({**order, **told, **more}, run)


def _has_ended(pid: int) -> bool:
    with suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    return True


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
