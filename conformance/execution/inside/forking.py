"""The process that has imported a library, called nothing of it, and forks workers from itself.

Started as `python -m embcheck.conformance.execution.inside.forking BACKEND SOCKET_FD`; see
`fork_server`, which is the harness's end.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys

from embcheck.conformance.execution.inside.start import start
from embcheck.conformance.execution.inside.worker import serve
from embcheck.conformance.execution.messages import FORK_MESSAGE_BYTES, READY, WAIT


def main(name: str, descriptor: int) -> None:
    """Import the backend, then fork and wait for workers as asked, until the socket closes."""
    channel = socket.socket(fileno=descriptor)
    backend, seconds = start(name)
    # What a library imports at its first call would else be imported by every worker again.
    for module in getattr(backend, "late_imports", ()):
        importlib.import_module(module)
    channel.send(READY)
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, FORK_MESSAGE_BYTES, 3)
        if not message:
            return
        if message.startswith(WAIT):
            _, status = os.waitpid(int(message.split()[1]), 0)
            channel.send(b"%d" % os.waitstatus_to_exitcode(status))
            continue
        pid = os.fork()
        if pid == 0:
            channel.close()  # Or the worker would read what is meant for the server.
            os.setsid()  # As a worker that was started alone: a group to be killed.
            request_read, reply_write, output = descriptors
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            serve(backend, request_read, reply_write, seconds)
            os._exit(0)  # The server's own exit handlers and buffers are not the worker's.
        for each in descriptors:
            os.close(each)
        channel.send(b"%d" % pid)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
