"""The worker's end of the channel, which only one process uses, and no child of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

# Functions are imported by name, since the backend may patch their modules later.
from mmap import mmap
from os import _exit, dup2, fdopen, getpid
from os import write as _write
from time import perf_counter, sleep
from typing import Any

from embcheck.conformance.execution.inside.attempt import Reply, describe_failure
from embcheck.conformance.execution.protocol import wire
from embcheck.conformance.execution.protocol.messages import WORKER

_STDERR = 2
TWIN_SECONDS = 0.1
"""How long to wait, after a call that forked, for a child that returns from it too."""


class TwinReturned(Exception):
    """A call forked, and the child returned from it as the caller did."""


class Channel:
    """The channel that reads requests and writes replies; made before the backend is imported.

    A child that the backend forks has the descriptors too, but must not answer. If it returns from
    the backend's code, as its parent does, it is ended here. The request then fails, because a
    user's program would go on twice.
    """

    def __init__(self, read_fd: int, write_fd: int) -> None:
        for descriptor in (read_fd, write_fd):  # Not for programs that libraries start.
            os.set_inheritable(descriptor, False)
        self._requests, self._replies = fdopen(read_fd, "rb"), fdopen(write_fd, "wb")
        self._descriptors = (read_fd, write_fd)
        self._pid = getpid()
        self._number = 0
        self._has_forked = False
        self._twins = mmap(-1, 8)  # Memory shared with children.
        self._twins[:] = b"\xff" * 8  # No request has this number, and the hello has number 0.
        os.register_at_fork(after_in_parent=self._note_fork, after_in_child=self._let_go)

    def next(self) -> wire.Frame | None:
        """Wait for a request and return it; None once the pipe is closed.

        Raises Broken for an unreadable request. The adapter must have caused it: the harness sends
        whole ones.
        """
        try:
            header, arrays = wire.receive(self._requests, sys.maxsize, with_layouts=True)
        except wire.Closed:
            return None
        self._number, self._has_forked = header["number"], False
        return header, arrays

    def reply(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Send the reply to the last request; before the first one, the hello.

        A reply that cannot be sent, because it is not JSON or too large, counts as the backend's
        failure.
        """
        if getpid() != self._pid:  # This is a forked child: it tells its parent, and ends.
            self._twins[:] = wire.end_of(self._number)
            _write(_STDERR, b"A child that was forked in a call returned from it, and was ended.\n")
            _exit(1)
        if self._has_forked and self._has_twin():
            said = TwinReturned("a child that was forked in the call returned from it too")
            header, arrays = describe_failure("errored", "the call", said), {}
        try:
            head = self._head(header, arrays)
        except (ValueError, TypeError, RecursionError) as error:
            stage = f"sending {self._culprit(header)}"
            header, arrays = describe_failure("errored", stage, error), {}
            head = self._head(header, arrays)
        wire.write(self._replies, head, arrays)
        self._replies.write(wire.end_of(self._number))
        self._replies.flush()

    def _head(self, header: dict[str, Any], arrays: dict[str, Any]) -> bytes:
        return wire.head_of({**header, "number": self._number}, arrays)

    def _culprit(self, header: dict[str, Any]) -> str:
        """Name the field of a header that cannot be sent; `the reply` if no single field is it."""
        for name, value in header.items():
            try:
                self._head({name: value}, {})
            except (ValueError, TypeError, RecursionError):
                return name
        return "the reply"

    def _has_twin(self) -> bool:
        until = perf_counter() + TWIN_SECONDS
        while self._twins[:] != wire.end_of(self._number):
            if perf_counter() > until:
                return False
            sleep(TWIN_SECONDS / 20)
        return True

    def _note_fork(self) -> None:
        self._has_forked = True

    def _let_go(self) -> None:
        """Redirect a child's descriptors, so that the channel closes when its owner dies."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in self._descriptors:
            dup2(nowhere, descriptor, inheritable=False)
        os.close(nowhere)


def reply_of(request: Callable[[], Reply]) -> Reply:
    """Answer a request; a failure of the worker itself, outside any call, becomes a reply too."""
    try:
        return request()
    except BaseException as error:  # noqa: BLE001  (the adapter may have patched what the worker uses)
        return describe_failure("errored", WORKER, error), {}
