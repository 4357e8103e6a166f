"""One arm of a comparison: a worker, and the requests to it while a cell is timed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution.client import BackendBroken, BackendUnavailable, WorkerClient
from embcheck.conformance.execution.protocol.answers import (
    Answered,
    Crashed,
    Errored,
    NotSupported,
    Refuser,
    Rejected,
    TimedOut,
)
from embcheck.conformance.execution.protocol.messages import WhichAnswer, describe_call
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.timing.clock import outside
from embcheck.conformance.timing.clock.lanes import Lane
from embcheck.conformance.timing.clock.memory import MemoryMark, mark
from embcheck.conformance.timing.clock.schedule import ArmLost, Block
from embcheck.conformance.timing.workloads.traces import IndexChange

CANDIDATE, REFERENCE, A_A, SENTINEL = "candidate", "reference", "a/a", "sentinel"

LIFE = ("prepare_seconds", "first_call_seconds", "second_call_seconds")
NAME_LIMIT = 200

BLOCK = tuple(each.name for each in fields(Block) if each.name != "calls")
"""The fields of a worker's report of a block."""


@dataclass
class Arm:
    """A backend under a role, in a worker that holds its calls.

    `life` collects the seconds of preparation and of the first calls, once they are known. `cache`
    is the folder for the adapter's files, if it is not the worker's own. `spare` makes a second
    worker of the backend; the gate needs it. `seen` has the blocks timed since `settle`.
    """

    key: str
    backend: str
    role: str
    client: WorkerClient | Lane
    life: dict[str, float] = field(default_factory=dict)
    memory: MemoryMark | None = None
    cache: str | None = None
    spare: Callable[[], WorkerClient] | None = None
    seen: list[outside.Seen] = field(default_factory=list)
    _ids: Sequence[int] = ()
    _turn: int = 0
    _kin: tuple[int, ...] = ()
    _rested: outside.Moment | None = None

    def store(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Hand over the arrays that all calls of a cell share; memory counts from here."""
        self.memory = mark(self.client.pid)
        self._ask({"request": "store", "cache": self.cache}, arrays)

    def hold(self, id_: int, call: Call, shared: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Have a call prepared and kept; return the seconds of preparation and of two calls.

        If an export left a file, its size in bytes is included.
        """
        header = {
            "request": "hold",
            "id": id_,
            "call": describe_call(call),
            "stored": list(shared),
            "sentinel": self.role == SENTINEL,
        }
        # The worker has the shared arrays already: a table is sent once, and not with every call.
        own = {name: array for name, array in call.inputs.items() if name not in shared}
        return self._read(header, LIFE, own, ("artefact_bytes",))

    def answer(self, id_: int, *, again: bool = False) -> Mapping[str, np.ndarray]:
        """Return a held call's last answer; `again` repeats the call first."""
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
        # A library may forbid changes of its inputs. That is no fault: the gate then checks in
        # another way.
        return None if isinstance(answer, Rejected) else _answered(answer).arrays

    def change(self, id_: int, change: IndexChange | None) -> None:
        """Change one index of a held call in place; None undoes the change and calls again."""
        words = {"position": change.position, "row": change.row} if change else {}
        self._ask({"request": "change", "id": id_, **words})

    def fresh_calls(
        self, id_: int, order: Sequence[bool], *, whole: bool, seed: int
    ) -> tuple[list[float], list[float]]:
        """Return the seconds of calls on new indices, and of calls on those of the call before.

        `order` says for each call whether its indices are new. Then two of them have changed
        places, or all of them if `whole`; among few indices, one is replaced by a random row.
        """
        header = {"request": "fresh_calls", "id": id_, "order": list(order), "whole": whole}
        found = self._lists({**header, "seed": seed}, ["seconds"])["seconds"]
        with _understood():
            # A worker that reports more or fewer times than requested is not believed.
            pairs = list(zip(order, found, strict=True))
        return [s for new, s in pairs if new], [s for new, s in pairs if not new]

    def reading_work(self, id_: int) -> dict[str, list[float]]:
        """Return the seconds of calls, and the CPU seconds to read and to copy their answers."""
        names = ("call_seconds", "read_cpu_seconds", "copy_cpu_seconds")
        return self._lists({"request": "reading_work", "id": id_}, names)

    def poison(self, id_: int) -> Answered:
        """Overwrite the last answer, call again, and return the new answer."""
        return self._ask({"request": "poison", "id": id_})

    def look_at_bytes(self, id_: int) -> tuple[int, int]:
        """Return how many answers changed after their calls had returned, and the calls made."""
        found = self._read({"request": "look_at_bytes", "id": id_}, ("changed", "calls"))
        return int(found["changed"]), int(found["calls"])

    def read_at_once(self, id_: int) -> tuple[list[float], list[float]]:
        """Return the seconds of some calls, and the seconds to read each answer at once."""
        found = self._lists(
            {"request": "read_at_once", "id": id_}, ("call_seconds", "read_seconds")
        )
        return found["call_seconds"], found["read_seconds"]

    def read(self, id_: int, answer: WhichAnswer, wait: float) -> float:
        """Return the seconds to read an answer right after a call has returned.

        Earlier answers get `wait` seconds to complete before.
        """
        header = {"request": "read", "id": id_, "answer": str(answer), "wait": wait}
        return self._read(header, ["seconds"])["seconds"]

    @contextmanager
    def another(self) -> Iterator[Arm]:
        """Yield an equal arm in a fresh worker, which is ended afterwards; raises ArmLost."""
        assert self.spare is not None  # noqa: S101  (every arm that the gate checks has it)
        client = self.spare()
        try:
            # Wait until it has started, so that a worker that cannot start fails here.
            _ = client.info
            # The second worker must prepare the call by the same spelling as the first.
            lane = self.client.on(client) if isinstance(self.client, Lane) else client
            yield Arm(self.key, self.backend, self.role, lane, cache=self.cache)
        except (BackendUnavailable, BackendBroken) as problem:
            raise ArmLost(f"errored: no second worker: {problem}", ExitCode.HARNESS) from None
        finally:
            client.kill()
            client.close()

    def settle(self, ids: Sequence[int]) -> dict[str, float]:
        """Get ready to time the calls with these ids; return the seconds of clock and loop."""
        self._ids, self._turn = ids, 0
        found = self._read(
            {"request": "settle", "ids": list(ids)}, ("timer_seconds", "loop_seconds")
        )
        self.seen.clear()
        # Once, and not for each block: the search reads the environment of every process.
        self._kin = outside.kin_of(self.client.pid)
        return found

    def time(self, calls: int, *, last: int | None = None) -> Block:
        """Time a block of calls, which starts in the rotation where the last block ended.

        With `last`, a place in the rotation, the block starts so that it ends with that call.
        """
        if last is not None:
            self._turn = (last - calls + 1) % len(self._ids)
        header = {"request": "time", "ids": list(self._ids), "start": self._turn, "calls": calls}
        # Read before the request, because `_ask` resets `_rested`.
        rested, before = self._rested, outside.look(self.client.pid, self._kin)
        told = self._ask(header).details
        after = outside.look(self.client.pid, self._kin)
        lie = outside.disbelieve(before, after, told, calls)
        if lie is not None:
            raise ArmLost(lie, ExitCode.DEPARTS)
        self._turn = (self._turn + calls) % len(self._ids)
        self._rested = after
        self.seen.append(outside.between(before, after, calls, told["seconds"]))
        block = Block(calls, **{name: told[name] for name in BLOCK})
        # The worker reports its own threads only, and may lie. The kernel's figure includes the
        # processes that it started, so the larger of the two counts.
        idle = max(block.background_seconds, outside.idle_cpu_seconds(rested, before))
        return replace(block, background_seconds=idle)

    def hides_time(self, calls: int, *, usual: float, thorough: bool) -> str | None:
        """Return evidence that blocks of so many calls took longer than reported, or None.

        `usual` is the overhead of a trusted worker's requests, in seconds.
        """

        def repeat(calls: int) -> outside.Seen:
            self.time(calls)
            return self.seen[-1]

        # The calibration timed shorter blocks, which say nothing about those of the rounds.
        blocks = [block for block in self.seen if block.calls == calls]
        return outside.hides_time(blocks, repeat, usual=usual, thorough=thorough)

    def threads(self) -> dict[str, Any]:
        """Read back the sizes of thread pools, and how many threads worked since `settle`."""
        told = self._ask({"request": "threads"}).details
        with _understood():
            return {
                "pools": _counts(told["pools"]),
                "threads_by_name": _counts(told["threads_by_name"]),
                # None, where the system does not tell it, stays None.
                "working_threads": told["working_threads"] and int(told["working_threads"]),
            }

    def device(self, id_: int, calls: int, *, flush: bool) -> dict[str, Any]:
        """Time a held call on its device; return each call's seconds, and the device's state."""
        header = {"request": "device", "id": id_, "calls": calls, "flush": flush}
        told = self._ask(header).details
        with _understood():
            seconds = outside.finite(told["device_seconds"], "device_seconds", least=1)
            return {"device_seconds": seconds, "state": told["state"]}

    @property
    def last_id(self) -> int:
        """The held call whose answer the last block ended with."""
        return self._ids[(self._turn - 1) % len(self._ids)]

    def drop(self, ids: Sequence[int] | None = None) -> None:
        """Have held calls forgotten; without ids, all of them and the shared arrays."""
        # A dead worker has nothing to forget, and a request would start it again.
        if self.client.pid is not None:
            self.client.request({"request": "drop", "ids": None if ids is None else list(ids)})

    def _ask(
        self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None
    ) -> Answered:
        # A worker that had another request since its last block was not idle, so CPU time that it
        # used meanwhile must not count as idle.
        self._rested = None
        return _answered(self.client.request(header, arrays))

    def _read(
        self,
        header: Mapping[str, Any],
        names: Sequence[str],
        arrays: Mapping[str, np.ndarray] | None = None,
        optional: Sequence[str] = (),
    ) -> dict[str, float]:
        """Ask for numbers; raises ArmLost if one is impossible, or longer than the request."""
        started = time.perf_counter()
        told = self._ask(header, arrays).details
        # No stage can have taken longer than the request that it was part of.
        most = time.perf_counter() - started
        with _understood():
            return {
                name: outside.number(told, name, most if name.endswith("_seconds") else math.inf)
                for name in (*names, *(name for name in optional if name in told))
            }

    def _lists(self, header: Mapping[str, Any], names: Sequence[str]) -> dict[str, list[float]]:
        """Ask for lists of seconds; raises ArmLost for one that is empty or has no numbers."""
        told = self._ask(header).details
        with _understood():
            return {name: outside.finite(told[name], name, least=1) for name in names}


@contextmanager
def _understood() -> Iterator[None]:
    """Raise ArmLost for a malformed reply of a worker: the library may have caused it."""
    try:
        yield
    # A malformed reply raises these: a text instead of a number, a missing key, infinity.
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as problem:
        said = f"errored: its worker's reply cannot be believed: {problem}"
        raise ArmLost(said, ExitCode.DEPARTS) from None


def _counts(told: Mapping[str, Any]) -> dict[str, int]:
    # The names are the library's, of any length, and go into the record.
    return {str(name)[:NAME_LIMIT]: int(count) for name, count in told.items()}


def _answered(answer: object) -> Answered:
    """Return an answer, or raise ArmLost with how the call ended."""
    match answer:
        case Answered():
            return answer
        case NotSupported(reason):
            raise ArmLost(f"unsupported: {reason}")
        # Before the other refusals: an error of the adapter's own says nothing about its library.
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
