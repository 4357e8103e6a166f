"""Two processes that make each call together: the worker is rank 0 and starts rank 1.

Both prepare and run the same calls in the same order, and communicate by gloo. Rank 0 tells rank 1
of each call. However rank 0 ends, the connection closes, and rank 1 ends, too. When rank 1 dies,
rank 0 ends with the same exit code or signal, as the processes that torchrun starts do.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # documented, not listed
from torch.distributed.distributed_c10d import PrefixStore, Store

from embcheck.conformance.contract.call import Call

WORLD_SIZE = 2
PATIENCE = timedelta(seconds=20)
"""How long a rank waits for the other in a collective that the other may never reach."""

Prepare = Callable[[Call], Callable[[], Any]]


@dataclass(frozen=True)
class _Order:
    """An order to rank 1: prepare `call`, or, if that is None, run the call of this `number`.

    `meeting` numbers the process group. `released` lists numbers of calls to forget.
    """

    meeting: int
    number: int
    call: Call | None
    released: tuple[int, ...]


class Ranks:
    """Rank 0's control of both ranks; each applies `prepare`, which must pickle, to a call."""

    def __init__(self, prepare: Prepare) -> None:
        self._prepare = prepare
        self._prepared = 0
        self._released: list[int] = []
        store = TCPStore("localhost", 0, WORLD_SIZE, is_master=True, wait_for_workers=False)
        # Not a fork, which would lack the threads of PyTorch and gloo.
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        arguments = (theirs, prepare, store.port)
        self._other = context.Process(target=_serve, args=arguments, daemon=True)
        self._other.start()
        # With this end open here, rank 0 would not notice that rank 1 is gone.
        theirs.close()
        self._hear()  # waits for rank 1's imports, which could outlast the timeout of joining
        self._meetings = _Meetings(0, store)

    def prepare(self, call: Call) -> Callable[[], Any]:
        """Prepare a call on both ranks; the thunk runs it on both, and returns rank 0's answer."""
        self._prepared += 1
        number = self._prepared
        run = self._together(number, call, lambda: self._prepare(call))

        def run_on_both() -> Any:
            return self._together(number, None, run)

        # Rank 1 keeps the call until this thunk is gone, which the next order tells it.
        weakref.finalize(run_on_both, self._released.append, number)
        return run_on_both

    def _together(self, number: int, call: Call | None, action: Callable[[], Any]) -> Any:
        """Run `action` while rank 1 does the same; raise the error of either, rank 0's first."""
        released, self._released[:] = tuple(self._released), []
        order = _Order(self._meetings.number, number, call, released)
        self._tell(order)
        self._meetings.join(order.meeting)
        try:
            result = action()
        # After any error, rank 1's answer must be read: it would be taken for the next one.
        except BaseException as error:
            if not _in_step(_describe(error), self._hear()):
                self._meetings.number += 1
            raise
        complaint = self._hear()
        if complaint is not None:
            self._meetings.number += 1
            raise RuntimeError(f"rank 1 raised {complaint}")
        return result

    def _tell(self, order: _Order) -> None:
        try:
            self._connection.send(order)
        except OSError:
            self._die()

    def _hear(self) -> str | None:
        """Return the error of rank 1, or None if it has done the same without an error."""
        try:
            complaint: str | None = self._connection.recv()
        except (EOFError, OSError):
            self._die()
        return complaint

    def _die(self) -> None:
        self._other.join()
        code = self._other.exitcode or 0
        if code < 0:
            # A negative exit code is the signal that ended it.
            os.kill(os.getpid(), -code)
        os._exit(code or 1)


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _in_step(mine: str, other: str | None) -> bool:
    """Return whether both ranks raised the same error, which is not one of gloo's.

    Then they are still in step, and keep their process group. A new group after each error would
    be costly: DTensor keeps all groups that it has seen, each with threads that never rest.
    """
    return mine == other and "gloo" not in mine


class _Meetings:
    """A rank's process group, which is replaced once the ranks may be out of step."""

    def __init__(self, rank: int, store: Store) -> None:
        self.number = 1
        self._rank = rank
        self._store = store
        self._joined = 0

    def join(self, number: int) -> None:
        """Join the process group of a number with the other rank, unless already in it."""
        if number == self._joined:
            return
        if self._joined:
            # A group in which the ranks are out of step hangs in its next collective.
            dist.destroy_process_group()
        self._joined = number
        dist.init_process_group(
            "gloo",
            store=PrefixStore(str(number), self._store),
            rank=self._rank,
            world_size=WORLD_SIZE,
            timeout=PATIENCE,
        )


def _serve(connection: Connection, prepare: Prepare, port: int) -> None:
    """Serve as rank 1 until rank 0 is gone."""
    meetings = _Meetings(1, TCPStore("localhost", port, WORLD_SIZE, is_master=False))
    held: dict[int, Callable[[], Any]] = {}
    connection.send(None)
    while True:
        try:
            order: _Order = connection.recv()
        except (EOFError, OSError):
            return
        meetings.join(order.meeting)
        for each in order.released:
            held.pop(each, None)
        try:
            if order.call is None:
                held[order.number]()
            else:
                held[order.number] = prepare(order.call)
            complaint = None
        except Exception as error:  # noqa: BLE001  (rank 0 raises it)
            complaint = _describe(error)
        try:
            connection.send(complaint)
        except OSError:
            return
