"""One arm of a comparison: a worker, and the requests to it while a cell is timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution.answers import (
    Answered,
    Crashed,
    Errored,
    NotSupported,
    Refuser,
    Rejected,
    TimedOut,
)
from embcheck.conformance.execution.client import BackendBroken, BackendUnavailable, WorkerClient
from embcheck.conformance.execution.messages import WhichAnswer, describe_call
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.timing.clock.lanes import Lane
from embcheck.conformance.timing.clock.memory import MemoryMark, mark
from embcheck.conformance.timing.clock.schedule import ArmLost, Block
from embcheck.conformance.timing.workloads.traces import IndexChange

CANDIDATE, REFERENCE, A_A, SENTINEL = "candidate", "reference", "a/a", "sentinel"

BLOCK = tuple(each.name for each in fields(Block) if each.name != "calls")
"""A worker's report of a block."""


@dataclass
class Arm:
    """A backend under a role, in a worker that holds its calls.

    `life` collects the seconds of preparation and of the first calls, once they are known. `cache`
    is the folder for the adapter's files, if it is not the worker's own. `spare` makes a second
    worker of the backend; the gate needs it.
    """

    key: str
    backend: str
    role: str
    client: WorkerClient | Lane
    life: dict[str, float] = field(default_factory=dict)
    memory: MemoryMark | None = None
    cache: str | None = None
    spare: Callable[[], WorkerClient] | None = None
    _ids: Sequence[int] = ()
    _turn: int = 0

    def store(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Hand over the arrays that all calls of a cell share; memory counts from here."""
        self.memory = mark(self.client.pid)
        self._ask({"request": "store", "cache": self.cache}, arrays)

    def hold(self, id_: int, call: Call, shared: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Have a call prepared and kept; return the seconds that this and two calls took.

        If an export left a file, its size in bytes is included.
        """
        header = {
            "request": "hold",
            "id": id_,
            "call": describe_call(call),
            "stored": list(shared),
            "sentinel": self.role == SENTINEL,
        }
        own = {name: array for name, array in call.inputs.items() if name not in shared}
        details = self._ask(header, own).details
        return {name: details[name] for name in details if name.endswith(("_seconds", "_bytes"))}

    def answer(self, id_: int, *, again: bool = False) -> Mapping[str, np.ndarray]:
        """Return a held call's last answer; `again` has it called once more before."""
        return self._ask({"request": "answer", "id": id_, "again": again}).arrays

    def probe(
        self, id_: int, change: IndexChange, *, late: bool = False
    ) -> Mapping[str, np.ndarray] | None:
        """Return the answer with one index changed in place; None if the library refused that.

        `late` changes it after the call has returned.
        """
        request = "late_probe" if late else "probe"
        header = {"request": request, "id": id_, "position": change.position, "row": change.row}
        answer = self.client.request(header)
        return None if isinstance(answer, Rejected) else _answered(answer).arrays

    def poison(self, id_: int) -> Answered:
        """Overwrite the last answer, call again, and return what came then."""
        return self._ask({"request": "poison", "id": id_})

    def look_at_bytes(self, id_: int) -> tuple[int, int]:
        """Return how many answers changed after their calls had returned, and of how many."""
        details = self._ask({"request": "look_at_bytes", "id": id_}).details
        return details["changed"], details["calls"]

    def read_at_once(self, id_: int) -> tuple[list[float], list[float]]:
        """Return the seconds of some calls, and those that their answers took to be read."""
        details = self._ask({"request": "read_at_once", "id": id_}).details
        return details["call_seconds"], details["read_seconds"]

    def read(self, id_: int, answer: WhichAnswer, wait: float) -> float:
        """Return the seconds that an answer takes to be read after a call has just returned."""
        header = {"request": "read", "id": id_, "answer": str(answer), "wait": wait}
        return float(self._ask(header).details["seconds"])

    @contextmanager
    def another(self) -> Iterator[Arm]:
        """Give a like arm in a fresh worker, which is ended afterwards; raises ArmLost."""
        assert self.spare is not None  # noqa: S101  (who lets arms through the gate gives it)
        client = self.spare()
        try:
            _ = client.info
            lane = self.client.on(client) if isinstance(self.client, Lane) else client
            yield Arm(self.key, self.backend, self.role, lane, cache=self.cache)
        except (BackendUnavailable, BackendBroken) as problem:
            raise ArmLost(f"errored: no second worker: {problem}", ExitCode.HARNESS) from None
        finally:
            client.kill()
            client.close()

    def settle(self, ids: Sequence[int]) -> dict[str, float]:
        """Get ready to time the calls with these ids; return the cost of reading the clock."""
        self._ids, self._turn = ids, 0
        details = self._ask({"request": "settle", "ids": list(ids)}).details
        return {name: details[name] for name in ("timer_seconds", "loop_seconds")}

    def time(self, calls: int) -> Block:
        """Time a block of calls, going on in the rotation where the last block ended."""
        header = {"request": "time", "ids": list(self._ids), "start": self._turn, "calls": calls}
        details = self._ask(header).details
        self._turn = (self._turn + calls) % len(self._ids)
        return Block(calls, **{name: details[name] for name in BLOCK})

    def threads(self) -> dict[str, Any]:
        """Read back the sizes of thread pools, and how many threads worked since it settled."""
        details = self._ask({"request": "threads"}).details
        return {name: details[name] for name in ("pools", "threads_by_name", "working_threads")}

    def device(self, id_: int, calls: int, *, flush: bool) -> dict[str, Any]:
        """Have a held call timed on its device; return the seconds of each time, and its state."""
        header = {"request": "device", "id": id_, "calls": calls, "flush": flush}
        details = self._ask(header).details
        return {name: details[name] for name in ("device_seconds", "state")}

    @property
    def last_id(self) -> int:
        """The held call whose answer the last block ended with."""
        return self._ids[(self._turn - 1) % len(self._ids)]

    def drop(self, ids: Sequence[int] | None = None) -> None:
        """Have held calls forgotten; all of them and the shared arrays unless ids are given."""
        if self.client.pid is not None:
            self.client.request({"request": "drop", "ids": None if ids is None else list(ids)})

    def _ask(
        self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None
    ) -> Answered:
        return _answered(self.client.request(header, arrays))


def _answered(answer: object) -> Answered:
    """Return an answer, or raise ArmLost with the way the call ended."""
    match answer:
        case Answered():
            return answer
        case NotSupported(reason):
            raise ArmLost(f"unsupported: {reason}")
        case Rejected(exception, message, refuser=Refuser.ADAPTER):
            said = f"errored: the adapter raised it, not the library: {exception}: {message}"
            raise ArmLost(said, ExitCode.HARNESS)
        case Rejected(exception, message):
            said = f"a valid call was refused: {exception}: {message}"
            raise ArmLost(said, ExitCode.DEPARTS)
        case Crashed(message):
            raise ArmLost(f"crashed: {message}", ExitCode.DEPARTS)
        case TimedOut(seconds):
            raise ArmLost(f"timed out: no answer in {seconds:g} s", ExitCode.DEPARTS)
        case Errored(message):
            raise ArmLost(f"errored: {message}", ExitCode.HARNESS)
    raise ArmLost(f"errored: an unknown answer {answer!r}", ExitCode.HARNESS)
