"""Calls that a worker keeps prepared: to run again, to probe, and to time.

The thunk that is timed is the one that was judged. Large arrays are stored once a worker and
shared by the calls that need them.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import cycle
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import Backend
from embcheck.conformance.contract.call import TRAINING_OBSERVATIONS, Call
from embcheck.conformance.execution.inside import freshness, kept, readiness, threads
from embcheck.conformance.execution.inside.attempt import Failed, Reply, attempt
from embcheck.conformance.execution.inside.blocks import (
    Sentinel,
    block_of,
    clock_costs,
    involuntary_switches,
    timed,
)
from embcheck.conformance.execution.inside.device import device_seconds
from embcheck.conformance.execution.inside.held_call import Held
from embcheck.conformance.execution.inside.spellings import SpelledBackend, spellings_of
from embcheck.conformance.execution.protocol.messages import parse_call

Arrays = dict[str, np.ndarray]

Request = Callable[[dict[str, Any], Arrays], Reply]

LOOKS = {**readiness.LOOKS, **freshness.LOOKS}

REST_SECONDS = 0.005
LOOK_SECONDS = 0.0002
AWAKE = 0.1
"""Of a core, used by other threads than the one that answers: they work, or wait for work."""
WARM_SECONDS = 0.005
"""What the kernel takes to part two threads that woke up on one core."""


class HeldCalls:
    """Answers the requests of a timing run, for one backend."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._held: dict[int, Held] = {}
        self._stored: Arrays = {}
        self._untrained: np.ndarray | None = None
        self._rested = _clocks()
        self._thread_seconds: dict[str, float] = {}
        self._has_help = False
        self._changed: dict[int, ExitStack] = {}
        self.requests: dict[str, Request] = {
            "store": self.store,
            "hold": self.hold,
            "spellings": self.spellings,
            "device": self.device,
            "answer": self.answer,
            "probe": self.probe,
            "poison": self.poison,
            "change": self.change,
            "settle": self.settle,
            "threads": self.threads,
            "time": self.time_block,
            "drop": self.drop,
            **{name: self._looking(look) for name, look in LOOKS.items()},
        }

    def _looking(self, look: Callable[[Held, Mapping[str, Any]], Reply]) -> Request:
        """Return what answers a request that looks whether a held call's answer is there."""
        return lambda header, _: look(self._held[header["id"]], header)

    def _attempt(self, action: Callable[[], Any], stage: str) -> Any:
        return attempt(action, stage, self._backend)

    def store(self, header: dict[str, Any], arrays: Arrays) -> Reply:
        """Keep arrays, by name, for the calls that are held later, and exports in a `cache`."""
        if header.get("cache"):
            os.environ["EMBCHECK_CACHE"] = header["cache"]
        if not self._stored:
            _collect_for_good()
        self._stored |= arrays
        return {}, {}

    def hold(self, header: dict[str, Any], arrays: Arrays) -> Reply:
        """Prepare a call, keep its thunk under an id, and time its preparation and first calls.

        The header's `sentinel` asks for a bare `np.take` of the call's rows instead, `spelling`
        for one of the adapter's other spellings.
        """
        call = self._call(header, arrays)
        backend: Any = Sentinel() if header.get("sentinel") else self._backend
        if header.get("spelling"):
            backend = SpelledBackend(self._backend, header["spelling"])
        prepare_seconds, thunk = self._attempt(
            lambda: timed(lambda: backend.prepare(call)), "prepare"
        )
        held = Held(call, thunk, backend.to_numpy, self._backend)
        held.untrained = self._before_training(call)
        # Two calls: what the first one compiles, allocates or traces is not in the second.
        first, second = self._attempt(held.first_calls, "call")
        self._held[header["id"]] = held
        return {
            "prepare_seconds": prepare_seconds,
            "first_call_seconds": first,
            "second_call_seconds": second,
            **_artefact(backend, call),
        }, {}

    def spellings(self, header: dict[str, Any], arrays: Arrays) -> Reply:
        """Name the adapter's other spellings of a call."""
        call = self._call(header, arrays)
        names = self._attempt(lambda: list(spellings_of(self._backend, call)), "prepare")
        return {"names": names}, {}

    def device(self, header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Time a held call on the device; `flush` empties its caches before each time."""
        call, calls, flush = (self._held[header["id"]].call, header["calls"], header["flush"])
        seconds, state = self._attempt(
            lambda: device_seconds(self._backend, call, calls, flush=flush), "prepare"
        )
        return {"device_seconds": seconds, "state": state}, {}

    def _call(self, header: Mapping[str, Any], arrays: Arrays) -> Call:
        """Put a call together from the arrays that came with it and those that are kept."""
        stored = {name: self._stored[name] for name in header["stored"]}
        return parse_call(header["call"], {**stored, **arrays})

    def _before_training(self, call: Call) -> np.ndarray | None:
        """Copy the table that a call trains; calls that share a table share the copy."""
        if not call.wants(*TRAINING_OBSERVATIONS):
            return None
        if self._untrained is None:
            self._untrained = call.inputs["weight"].copy()
        return self._untrained

    def answer(self, header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Bring home the last answer of a held call; `again` runs the call once more before."""
        held = self._held[header["id"]]
        if header.get("again"):
            held.run()
        return {}, held.home()

    def probe(self, header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Change one index where it lies, run the call once, and change it back.

        An adapter that copied its inputs does not see the change; that proves nothing of it.
        """
        held = replace(self._held[header["id"]])  # Its last answer stays the unchanged call's.
        with held.changed_index(header):
            held.run()
            return {}, held.copied_home()

    def change(self, header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Change one index of a held call where it lies; without one, change it back, and call."""
        held = self._held[header["id"]]
        if "row" in header:
            stack = self._changed.setdefault(header["id"], ExitStack())
            stack.enter_context(held.changed_index(header))
        else:
            self._changed.pop(header["id"]).close()
            held.run()
        return {}, {}

    def poison(self, header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Overwrite a held call's last answer, run the call again, and bring the new answer home.

        What was remembered rather than computed comes back overwritten. It may be handed out as a
        copy, so that everything in the thunk's reach that equals the answer is overwritten too.
        `remembered` says that an answer that cannot be overwritten came back as the same object, or
        in the same memory while the earlier one still lived.
        """
        held = self._held[header["id"]]
        home = held.home()
        # The table that is trained may be the answer too: the next call would train what is left.
        if not held.call.wants(*TRAINING_OBSERVATIONS):
            roots, inputs = (held.thunk, self._backend), held.call.inputs.values()
            module = type(self._backend).__module__
            package = module.rpartition(".")[0] or module
            kept.overwrite(roots, home, [*inputs, *self._stored.values()], package)
        writable = [name for name, array in home.items() if array.flags.writeable]
        for name in writable:
            home[name].fill(-1)
        earlier = held.answer  # Kept alive, or its memory could be given to the next answer.
        held.run()
        fixed = home.keys() - {*writable}
        is_same = held.answer is earlier and bool(fixed)
        again = held.home()
        shared = [name for name in fixed & again.keys() if _overlap(home[name], again[name])]
        told = {"overwritten": sorted(writable), "remembered": is_same or bool(shared)}
        return told, again

    def settle(self, header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Collect garbage once, and measure what the clock and a block's loop cost."""
        gc.collect()
        timer, loop = clock_costs(len(header["ids"]))
        self._thread_seconds = threads.thread_seconds()
        self._rested = _clocks()
        return {"timer_seconds": timer, "loop_seconds": loop}, {}

    def threads(self, _header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Tell the sizes of thread pools, and how many threads worked since `settle`."""
        seconds = threads.thread_seconds()
        return {
            "pools": threads.pool_sizes(),
            "threads_by_name": threads.thread_names(),
            "working_threads": threads.working(self._thread_seconds, seconds),
        }, {}

    def time_block(self, header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Run held thunks in turn, `calls` calls from the `start`-th on, and time them as one.

        Threads that help are woken first, by calls that are not timed.

        Replies with wall and CPU seconds of the block, the involuntary context switches in it, and
        the wall and CPU seconds that the worker idled before, those of background threads apart:
        what this thread spent while idle, it spent on answering the harness. Both clocks as they
        were when the request came and when it is done let the harness compare them with its own.
        """
        began = _clocks()  # Before all else, so that no work of this request is counted as idling.
        held = [self._held[id_] for id_ in header["ids"]]
        thunks, calls, start = [item.thunk for item in held], header["calls"], header["start"]
        if self._has_help:
            before = [thunks[(start - turn) % len(thunks)] for turn in range(1, len(thunks) + 1)]
            self._attempt(lambda: _warm_up(before), "call")
        block = block_of(thunks, calls, start)
        gc.disable()  # A collection would fall into one backend's block by chance.
        try:
            switches = involuntary_switches()
            cpu, help_ = time.process_time(), threads.background_seconds()
            seconds, answer = self._attempt(block, "call")
            cpu, help_ = time.process_time() - cpu, threads.background_seconds() - help_
            switches = involuntary_switches() - switches
        finally:
            gc.enable()
        held[(start + calls - 1) % len(held)].answer = answer
        self._has_help = help_ > AWAKE * seconds
        _rest()  # Threads that spin on would take the core from the next worker's block.
        rested, self._rested = self._rested, _clocks()
        return {
            "begun": began[0],
            "ended": self._rested[0],
            "cpu_begun": began[1],
            "cpu_ended": self._rested[1],
            "seconds": seconds,
            "cpu_seconds": cpu,
            "switches": switches,
            "idle_seconds": began[0] - rested[0],
            "idle_cpu_seconds": began[1] - rested[1],
            "background_seconds": began[2] - rested[2],
            "untimed_cpu_seconds": self._rested[1] - began[1] - cpu,
        }, {}

    def drop(self, header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Forget held calls by id; without ids all of them, and the stored arrays."""
        if header.get("ids") is None:
            self._held.clear()
            self._stored.clear()
            self._untrained = None
            _collect_for_good()
        for id_ in header.get("ids") or ():
            self._held.pop(id_, None)
        return {}, {}


def _collect_for_good() -> None:
    """Leave what lives now out of later collections: imports make 300,000 objects, and stay."""
    gc.collect()
    gc.freeze()


def _clocks() -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds, and CPU seconds of background threads."""
    return time.perf_counter(), time.process_time(), threads.background_seconds()


def _warm_up(thunks: list[Callable[[], Any]]) -> None:
    """Call thunks in turn, so long that the threads which help have found their cores."""
    until = time.perf_counter() + WARM_SECONDS
    for thunk in cycle(thunks):
        thunk()
        if time.perf_counter() >= until:
            return


def _rest() -> None:
    """Let threads that wait for more work fall asleep, a few milliseconds at most.

    They spin for a while first, as they must for calls in a row to be fast; the next worker's block
    shall not pay for that.
    """
    until, before = time.perf_counter() + REST_SECONDS, threads.background_seconds()
    while time.perf_counter() < until:
        time.sleep(LOOK_SECONDS)
        after = threads.background_seconds()
        if after - before < AWAKE * LOOK_SECONDS:
            return
        before = after


def _overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays that cannot be written to lie in the same memory."""
    return not other.flags.writeable and np.may_share_memory(one, other)


def _artefact(backend: Any, call: Call) -> dict[str, Any]:
    """Ask for the size of what an export left, of an adapter that knows."""
    if not hasattr(backend, "artefact_bytes"):
        return {}
    try:
        return {"artefact_bytes": attempt(lambda: int(backend.artefact_bytes(call)), "prepare")}
    except Failed:
        return {}
