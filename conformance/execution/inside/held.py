"""Held calls: calls that a worker keeps prepared, to run again, probe and time.

The thunk that is timed is the one that was judged. Large arrays are stored once in each worker, and
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
"""Other threads work, or spin while they wait for work, if they use this share of a core."""
WARM_SECONDS = 0.005
"""How long the kernel takes to move two threads apart that woke up on one core."""


class HeldCalls:
    """The calls that a worker holds for a timing run, and the handlers of its requests."""

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
        """Return the handler of a request that examines a held call: one of LOOKS."""
        return lambda header, _: look(self._held[header["id"]], header)

    def _attempt(self, action: Callable[[], Any], stage: str) -> Any:
        return attempt(action, stage, self._backend)

    def store(self, header: dict[str, Any], arrays: Arrays) -> Reply:
        """Store arrays by name for calls that are held later; `cache` is the folder for exports."""
        if header.get("cache"):
            os.environ["EMBCHECK_CACHE"] = header["cache"]
        if not self._stored:
            _collect_for_good()
        self._stored |= arrays
        return {}, {}

    def hold(self, header: dict[str, Any], arrays: Arrays) -> Reply:
        """Prepare a call, keep its thunk under an id, and time its preparation and first calls.

        With `sentinel` in the header, a bare `np.take` of the call's rows is held instead; with
        `spelling`, another of the adapter's spellings.
        """
        call = self._call(header, arrays)
        backend: Any = Sentinel() if header.get("sentinel") else self._backend
        if header.get("spelling"):
            backend = SpelledBackend(self._backend, header["spelling"])
        prepare_seconds, thunk = self._attempt(
            lambda: timed(lambda: backend.prepare(call)), "prepare"
        )
        held = Held(call, thunk, backend.to_numpy, self._backend, lambda: backend.prepare(call))
        held.untrained = self._before_training(call)
        # Two calls, so that the second is without the compiling, tracing and allocating of the
        # first.
        first, second = self._attempt(held.first_calls, "call")
        held.find_what_is_trained()
        self._held[header["id"]] = held
        return {
            "prepare_seconds": prepare_seconds,
            "first_call_seconds": first,
            "second_call_seconds": second,
            **_artefact(backend, call),
        }, {}

    def spellings(self, header: dict[str, Any], arrays: Arrays) -> Reply:
        """Return the names of the adapter's other spellings of a call."""
        call = self._call(header, arrays)
        names = self._attempt(lambda: list(spellings_of(self._backend, call)), "prepare")
        return {"names": names}, {}

    def device(self, header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Time a held call on the device; with `flush`, empty its caches before each run."""
        call, calls, flush = (self._held[header["id"]].call, header["calls"], header["flush"])
        seconds, state = self._attempt(
            lambda: device_seconds(self._backend, call, calls, flush=flush), "prepare"
        )
        return {"device_seconds": seconds, "state": state}, {}

    def _call(self, header: Mapping[str, Any], arrays: Arrays) -> Call:
        """Make a call from the arrays that came with it and the stored ones."""
        stored = {name: self._stored[name] for name in header["stored"]}
        return parse_call(header["call"], {**stored, **arrays})

    def _before_training(self, call: Call) -> np.ndarray | None:
        """Return a copy of the table that a call trains; all held calls share the first copy."""
        if not call.wants(*TRAINING_OBSERVATIONS):
            return None
        if self._untrained is None:
            self._untrained = call.inputs["weight"].copy()
        return self._untrained

    def answer(self, header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Return the last answer of a held call; with `again`, run the call once more before."""
        held = self._held[header["id"]]
        if header.get("again"):
            held.run()
        return {}, held.home()

    def probe(self, header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Change one index in place, run the call once, and change the index back.

        An adapter that copied its inputs does not see the change; its unchanged answer proves
        nothing.
        """
        held = replace(self._held[header["id"]])  # A copy: the held call keeps its own answer.
        with held.changed_index(header):
            held.run()
            return {}, held.copied_home()

    def change(self, header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Change one index of a held call in place; without `row`, change it back, and call."""
        held = self._held[header["id"]]
        if "row" in header:
            stack = self._changed.setdefault(header["id"], ExitStack())
            stack.enter_context(held.changed_index(header))
        else:
            self._changed.pop(header["id"]).close()
            held.run()
        return {}, {}

    def poison(self, header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Overwrite a held call's last answer, run the call again, and return the new answer.

        An answer that was remembered rather than computed comes back overwritten. It may be
        returned as a copy, so all arrays that equal the answer and that the thunk can reach are
        overwritten too. `remembered` says that an answer that cannot be overwritten came back as
        the same object, or in the same memory while the earlier one still lived.
        """
        held = self._held[header["id"]]
        home = held.home()
        # Not for training: the answer may be the trained table, which the next call would train.
        if not held.call.wants(*TRAINING_OBSERVATIONS):
            roots, inputs = (held.thunk, self._backend), held.call.inputs.values()
            module = type(self._backend).__module__
            package = module.rpartition(".")[0] or module
            kept.overwrite(roots, home, [*inputs, *self._stored.values()], package)
        writable = [name for name, array in home.items() if array.flags.writeable]
        for name in writable:
            home[name].fill(-1)
        earlier = held.answer  # Kept alive, so that the next answer does not get its memory.
        held.run()
        fixed = home.keys() - {*writable}
        is_same = held.answer is earlier and bool(fixed)
        again = held.home()
        shared = [name for name in fixed & again.keys() if _overlap(home[name], again[name])]
        told = {"overwritten": sorted(writable), "remembered": is_same or bool(shared)}
        return told, again

    def settle(self, header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Collect garbage once, and measure the cost of the clock and of a block's loop."""
        gc.collect()
        timer, loop = clock_costs(len(header["ids"]))
        self._thread_seconds = threads.thread_seconds()
        self._rested = _clocks()
        return {"timer_seconds": timer, "loop_seconds": loop}, {}

    def threads(self, _header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Return the sizes of thread pools, and how many threads worked since `settle`."""
        seconds = threads.thread_seconds()
        return {
            "pools": threads.pool_sizes(),
            "threads_by_name": threads.thread_names(),
            "working_threads": threads.working(self._thread_seconds, seconds),
        }, {}

    def time_block(self, header: dict[str, Any], _arrays: Arrays) -> Reply:
        """Run held thunks in turn, `calls` times from the `start`-th on, and time them as one.

        If other threads helped in the last block, calls that are not timed wake them first.

        The reply has the block's wall and CPU seconds and its involuntary context switches. It has
        the wall and CPU seconds that the worker idled before the request, and separately the CPU
        seconds of its background threads: this thread's own went into answering the harness. It
        also has both clocks at the start and at the end of the request, which the harness compares
        with its own.
        """
        began = _clocks()  # Before anything else, so that no work of this request counts as idling.
        held = [self._held[id_] for id_ in header["ids"]]
        thunks, calls, start = [item.thunk for item in held], header["calls"], header["start"]
        if self._has_help:
            before = [thunks[(start - turn) % len(thunks)] for turn in range(1, len(thunks) + 1)]
            self._attempt(lambda: _warm_up(before), "call")
        block = block_of(thunks, calls, start)
        gc.disable()  # A collection would hit one backend's block by chance.
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
        _rest()  # Threads that go on spinning would take the core from the next worker's block.
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
    """Collect garbage, and exclude what is left, mostly of imports, from later collections."""
    gc.collect()
    gc.freeze()


def _clocks() -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds, and CPU seconds of background threads."""
    return time.perf_counter(), time.process_time(), threads.background_seconds()


def _warm_up(thunks: list[Callable[[], Any]]) -> None:
    """Call thunks in turn until the threads that help have moved to cores of their own."""
    until = time.perf_counter() + WARM_SECONDS
    for thunk in cycle(thunks):
        thunk()
        if time.perf_counter() >= until:
            return


def _rest() -> None:
    """Wait until threads that spin for work have fallen asleep, a few milliseconds at most.

    They must spin for a while, so that calls in a row are fast. The next worker's block must not be
    slowed by that.
    """
    until, before = time.perf_counter() + REST_SECONDS, threads.background_seconds()
    while time.perf_counter() < until:
        time.sleep(LOOK_SECONDS)
        after = threads.background_seconds()
        if after - before < AWAKE * LOOK_SECONDS:
            return
        before = after


def _overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether `other` is read-only, and may lie in the memory of `one`."""
    return not other.flags.writeable and np.may_share_memory(one, other)


def _artefact(backend: Any, call: Call) -> dict[str, Any]:
    """Return the size of what an export left, if the adapter can tell."""
    if not hasattr(backend, "artefact_bytes"):
        return {}
    try:
        return {"artefact_bytes": attempt(lambda: int(backend.artefact_bytes(call)), "prepare")}
    except Failed:
        return {}
