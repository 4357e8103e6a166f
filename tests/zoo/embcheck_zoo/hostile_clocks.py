"""Backends that would be faster than they are: by their clocks, by memory, or by others' work.

Each is right whenever it is asked for an answer, and lies only about the time that it takes.
"""

from __future__ import annotations

import gc
import math
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution.inside import held
from embcheck_zoo.base import Correct

SPIN_CALLS = 4
PATIENCE = 40
"""Calls after which the animals that wait for it turn bad: beyond the gate, within the timing."""


class Slow(Correct):
    """Computes each answer several times over, so that there is something to gain."""

    def answer(self, call: Call) -> Any:
        for _ in range(SPIN_CALLS):
            answer = self.correct(call)
        return answer


def _patched(name: str, clock: Callable[[Callable[[], float]], Callable[[], float]]) -> None:
    setattr(time, name, clock(getattr(time, name)))


class _Patches(Slow):
    """Changes the clocks of its process when it prepares its first call."""

    names: tuple[str, ...] = ("perf_counter",)

    def prepare(self, call: Call) -> Any:
        for name in self.names:
            _patched(name, self.clock)
        self.names = ()
        return super().prepare(call)

    def clock(self, real: Callable[[], float]) -> Callable[[], float]:
        raise NotImplementedError


def _at_rate(rate: float) -> Any:
    def clock(self: Any, real: Callable[[], float]) -> Callable[[], float]:
        del self
        begun = real()
        return lambda: type(begun)(begun + rate * (real() - begun))

    return clock


class ClockAtATenth(_Patches):
    """Its clock runs at a tenth."""

    clock = _at_rate(0.1)


class ClockAtNineTenths(_Patches):
    """Its clock is slow by a tenth only."""

    clock = _at_rate(0.9)


class ClockRunsFast(_Patches):
    """Its clock makes a reference look slow."""

    clock = _at_rate(1.5)


class ClockStandsStill(_Patches):
    """Its clock shows the same time for ever."""

    clock = _at_rate(0.0)


class ClockRunsBackwards(_Patches):
    """Its clock goes back."""

    clock = _at_rate(-1.0)


class ClockOfNothing(_Patches):
    """Its clock gives no number."""

    def clock(self, real: Callable[[], float]) -> Callable[[], float]:
        return lambda: math.nan


class ClockOfInfinity(_Patches):
    """Its clock gives infinity."""

    def clock(self, real: Callable[[], float]) -> Callable[[], float]:
        return lambda: math.inf


class ClockJumps(_Patches):
    """Its clock jumps back by a second at every hundredth reading."""

    def clock(self, real: Callable[[], float]) -> Callable[[], float]:
        readings = [0]

        def jump() -> float:
            readings[0] += 1
            return real() - readings[0] // 100

        return jump


class CpuClockAtATenth(_Patches):
    """Uses ten times the processor that it tells of."""

    names = ("process_time", "thread_time")
    clock = _at_rate(0.1)


class AllClocksAtATenth(_Patches):
    """All of its clocks run at a tenth."""

    names = ("perf_counter", "perf_counter_ns", "monotonic", "process_time", "thread_time", "time")
    clock = _at_rate(0.1)


class ClockOfBlocks(Slow):
    """Rewrites the harness's own program: of a block it tells a tenth, of the rest all."""

    def __init__(self) -> None:
        super().__init__()
        real = held.block_of

        def block_of(*words: Any) -> Any:
            block = real(*words)

            def run() -> Any:
                seconds, answer = block()
                return seconds / 10, answer

            return run

        held.block_of = block_of


class CountsNoSwitches(Correct):
    """Gives context switches that are no number."""

    def __init__(self) -> None:
        super().__init__()
        real = resource.getrusage

        class Usage:
            ru_nivcsw = math.nan

            def __getattr__(self, name: str) -> Any:
                return getattr(real(resource.RUSAGE_SELF), name)

        resource.getrusage = lambda _: Usage()  # type: ignore[assignment,return-value]


class KeepsCollecting(Correct):
    """Has `gc.disable` do nothing, which is its own loss."""

    def __init__(self) -> None:
        super().__init__()
        gc.disable = lambda: None  # type: ignore[assignment]


class _Remembers(Slow):
    """Answers from memory where it knows the key of a call, with a copy each time."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[Any, np.ndarray] = {}

    def key(self, call: Call) -> Any:
        raise NotImplementedError

    def answer(self, call: Call) -> Any:
        key = self.key(call)
        if key not in self._known:
            self._known[key] = super().answer(call)["output"].copy()
        return {"output": self._known[key].copy()}


class RemembersBytes(_Remembers):
    """Remembers by the bytes of the indices."""

    def key(self, call: Call) -> Any:
        return call.inputs["indices"].tobytes()


class RemembersHash(_Remembers):
    """Remembers by a hash of them."""

    def key(self, call: Call) -> Any:
        return hash(call.inputs["indices"].tobytes())


class RemembersIdentity(_Remembers):
    """Remembers by the array that they came in."""

    def key(self, call: Call) -> Any:
        return id(call.inputs["indices"])


class RemembersASample(_Remembers):
    """Remembers by some of the indices, the middle one among them."""

    def key(self, call: Call) -> Any:
        indices = call.inputs["indices"].reshape(-1)
        return indices[indices.size // 2], indices[:: max(1, indices.size // 16)].tobytes()


class RemembersTheLast(_Remembers):
    """Remembers one answer, of the call before."""

    def key(self, call: Call) -> Any:
        key = call.inputs["indices"].tobytes()
        if key not in self._known:
            self._known.clear()
        return key


class RemembersBytesOpaquely(Slow):
    """Remembers by the bytes of the indices, in bytes that nobody can overwrite."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[bytes, tuple[bytes, Any, Any]] = {}

    def answer(self, call: Call) -> Any:
        key = call.inputs["indices"].tobytes()
        if key not in self._known:
            output = super().answer(call)["output"]
            self._known[key] = output.tobytes(), output.dtype, output.shape
        data, dtype, shape = self._known[key]
        return {"output": np.frombuffer(bytearray(data), dtype).reshape(shape)}


class HandsOutViews(Slow):
    """Computes while it prepares, and hands out a new read-only view of that at every call."""

    def prepare(self, call: Call) -> Any:
        known = np.frombuffer(self.correct(call)["output"].tobytes(), np.float32)
        shape = self.correct(call)["output"].shape
        return lambda: {"output": known.reshape(shape)}


class CopiesWhatItKnew(Slow):
    """Computes while it prepares, and hands out copies."""

    def prepare(self, call: Call) -> Any:
        known = self.correct(call)["output"].copy()
        return lambda: {"output": known.copy()}


class Repairs(Slow):
    """Compares the indices with those of the call before, and computes what has changed."""

    def prepare(self, call: Call) -> Any:
        weight, indices = call.inputs["weight"], call.inputs["indices"].reshape(-1)
        known: list[np.ndarray] = []

        def answer() -> Any:
            if not known:
                known.extend([indices.copy(), super(Repairs, self).answer(call)["output"].copy()])
            before, output = known
            changed = np.flatnonzero(before != indices)
            if changed.size:
                for _ in range(SPIN_CALLS * 3):
                    output[changed] = weight[indices[changed]]
                before[changed] = indices[changed]
            return {"output": output.copy()}

        return answer


class CountsItsCalls(Slow):
    """Does nothing but count, and computes when somebody reads; from inputs of its own."""

    def prepare(self, call: Call) -> Any:
        owned = replace(call, inputs={name: array.copy() for name, array in call.inputs.items()})
        calls = [0]

        def count() -> Any:
            calls[0] += 1
            return owned

        return count

    def to_numpy(self, answer: Any) -> Any:
        until = time.process_time() + 0.002
        found = self.correct(answer)
        while time.process_time() < until:
            found = self.correct(answer)
        return found


class CheapInBlocks(Slow):
    """Looks who calls: in a block only every fortieth answer is right."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: dict[int, int] = {}
        self._calls = 0

    def answer(self, call: Call) -> Any:
        frame: Any = sys._getframe(1)
        while frame is not None and frame.f_code.co_name not in ("_repeat", "_rotate"):
            frame = frame.f_back if frame.f_back is not frame else None
        if frame is None:
            return super().answer(call)
        self._calls += 1
        if self._calls % PATIENCE == 0:
            return super().answer(call)
        return {"output": np.zeros((call.inputs["indices"].size, 8), np.float32)}


class WorksWhileIdle(Slow):
    """Has a thread that works while nobody asks, and tells of none of it."""

    names = ("process_time",)

    def __init__(self) -> None:
        super().__init__()
        _patched("process_time", lambda _: time.thread_time)
        threading.Thread(target=self._spin, daemon=True).start()

    def _spin(self) -> None:
        while True:
            sum(range(1000))


class HasAHelper(Slow):
    """Has a process of its own that works while nobody asks, in a session of its own."""

    def __init__(self) -> None:
        super().__init__()
        code = f"import os\nwhile os.path.exists('/proc/{os.getpid()}'): sum(range(100000))"
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
