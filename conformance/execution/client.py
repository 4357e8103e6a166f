"""The harness's end of a worker: start it, ask it, outlive it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution import wire
from embcheck.conformance.execution.address import Address, parse_address
from embcheck.conformance.execution.answers import (
    Answer,
    Answered,
    Crashed,
    Errored,
    TimedOut,
    parse_answer,
)
from embcheck.conformance.execution.bounded import bounded_arrays, bounded_reply
from embcheck.conformance.execution.limits import (
    LimitBroken,
    Limits,
    is_short_of_mappings,
    work_done,
)
from embcheck.conformance.execution.messages import describe_call, parse_info
from embcheck.conformance.execution.starter import Channel, Starter

LEAST_IMPORT_SECONDS = 20.0
LONGER_IMPORT = 3
"""A library that still works when its time is up may go on: until three times that, and for 20 s at
least, as importing it may take longer than any call."""
LOOK_AT_IMPORT_SECONDS = 1.0
CLOSING_SECONDS = 2.0
DEATH_SECONDS = 1.0
"""Time for a process to end that has closed its channel."""
LOOK_EVERY_CASES = 10
"""Cases, between two looks at how much room a worker has left."""

ENVIRONMENT = {
    "GOMP_SPINCOUNT": "10000",
    "KMP_BLOCKTIME": "1",
    "JAX_PLATFORMS": "cpu",
    "JAX_TRACEBACK_FILTERING": "off",
    "PYTHONUNBUFFERED": "1",
}
"""Libraries read these when they are imported. JAX hides its frames by default, by which it is told
who raised an error. Idle workers must not spin for long, but threads that sleep between two calls
in a row make a lookup several times slower: see docs/timing.md."""


class BackendUnavailable(Exception):
    """The backend is known but cannot run here; the message says why."""


class BackendBroken(Exception):
    """The adapter failed while it was imported or created; the message says how."""


class WorkerClient:
    """One backend in a process of its own, started when first needed and again after a death.

    A worker's environment is the caller's plus ENVIRONMENT plus `environment`. Unless that names a
    TMPDIR, workers have one of their own, which goes with the client, however they died.
    """

    def __init__(
        self,
        name: str | Address,
        *,
        timeout: float = 60.0,
        limits: Limits = Limits(),  # noqa: B008  (frozen)
        environment: Mapping[str, str] | None = None,
    ) -> None:
        address = name if isinstance(name, Address) else parse_address(name)
        self.name = address.id
        self.starts = 0
        self._cases_asked = 0
        self.import_seconds = 0.0
        self._timeout = timeout
        self._limits = limits
        self._python = address.python
        self._starter = Starter(
            address.id,
            address.python,
            {**os.environ, **ENVIRONMENT, **(environment or {})},
            needs_scratch="TMPDIR" not in (environment or {}),
        )
        self._channel: Channel | None = None
        self._info: BackendInfo | None = None
        self._lock = threading.Lock()
        self._ready = False
        self._is_waited_for = False
        self._is_stopped = False
        self._is_full = False

    @property
    def info(self) -> BackendInfo:
        """The backend's info; raises BackendUnavailable or BackendBroken."""
        if self._info is None:
            self._await_hello(self._launched())
        if self._info is None:
            raise BackendBroken(f"{self.name} said nothing of itself")
        return self._info

    @property
    def pid(self) -> int | None:
        """The worker's process id, while it lives."""
        return self._channel.process.pid if self._channel else None

    @property
    def printed_bytes(self) -> int:
        """How much the worker has printed since it started, while it lives."""
        return self._channel.output.printed_bytes if self._channel else 0

    def ask(self, call: Call, *, again: bool = False, spelling: str | None = None) -> Answer:
        """Ask for one call; whatever becomes of it is returned, never raised.

        With `again`, its thunk is called twice; for both see `Worker.ask`.
        """
        more = {"again": again, "spelling": spelling}
        return self.request({"request": "ask", "call": describe_call(call), **more}, call.inputs)

    def ask_large(self, header: Mapping[str, Any], memory: int, seconds: float) -> Answer:
        """Ask for a large call, for which the worker may use so many bytes and seconds."""
        usual = self._limits
        self.restart()  # The limits hold from the start of a worker.
        self._limits = replace(usual, memory=memory)
        try:
            return self.request(header, timeout=seconds)
        finally:
            self.restart()
            self._limits = usual

    def origin(self) -> list[dict[str, Any]]:
        """Return `module`, `file` and `doc` of the announced module and of the backend's class.

        The first is the announced one. Empty where the worker cannot say.
        """
        answer = self.request({"request": "origin", "name": self.name})
        return list(answer.details["modules"]) if isinstance(answer, Answered) else []

    def script(self, call: Call) -> Answer:
        """Ask for the lines of a call; they are the answer's detail `script`."""
        return self.request({"request": "script", "call": describe_call(call)}, call.inputs)

    def request(
        self,
        header: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray] | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Send a request and wait; a worker that dies or hangs is replaced at the next one."""
        with self._lock:
            return self._request(header, arrays or {}, timeout or self._timeout)

    def _request(
        self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray], timeout: float
    ) -> Answer:
        try:
            channel = self._ready_channel()
        except (BackendBroken, BackendUnavailable) as error:
            return Errored(f"the worker cannot be started again: {error}")
        started = time.perf_counter()
        try:
            self._is_waited_for = True
            channel.output.drop_old()
            self._set_deadline(channel, timeout)
            wire.send(channel.requests, header, arrays, with_layouts=True)
            reply, answer = wire.receive(channel.replies)
        except LimitBroken as broken:
            said = self._end_with_last_words()
            return Crashed(f"the worker was killed: {broken}{said}", time.perf_counter() - started)
        except TimeoutError:
            self._end()
            return TimedOut(timeout)
        except (wire.Broken, OSError) as error:
            message = self._describe_death() or f"the worker's channel broke: {error}"
            return Crashed(message, time.perf_counter() - started)
        self._is_waited_for = False
        answer, left_out = bounded_arrays(answer)
        reply = bounded_reply(reply) | ({"left_out": left_out} if left_out else {})
        return parse_answer(reply, answer)

    def _set_deadline(self, channel: Channel, seconds: float) -> None:
        channel.requests.deadline = channel.replies.deadline = time.monotonic() + seconds
        channel.replies.allow(self._limits.answer)

    def _ready_channel(self) -> Channel:
        """Return the channel of a worker that waits for a request; start one if there is none.

        Where the calls so far have left much in the temporary folder, it is emptied before.
        """
        if self._is_waited_for:  # An interruption came between: its answer is nobody's.
            self._end()
        if self._channel is not None:
            self._channel.process.hear()
            if self._channel.process.is_full:
                self.restart()
        if not self._ready or self._channel is None:
            self._await_hello(self._launched())
        assert self._channel is not None  # noqa: S101  (it has just said hello)
        return self._channel

    def close(self) -> None:
        """End the worker, gently if it listens, and what could replace it."""
        try:
            self.restart()
        finally:
            self._starter.close()

    def hang_up(self) -> None:
        """Tell a worker that listens to end, without waiting for that; it is to be closed next."""
        if self._channel is not None:
            self._channel.requests.close()  # A worker ends when nobody can ask any more.

    def restart(self) -> None:
        """End the worker, gently if it listens; the next request starts a fresh one."""
        if self._channel is None:
            return
        try:
            self.hang_up()
            if self._ready and not self._is_waited_for:
                with contextlib.suppress(TimeoutError):
                    self._channel.process.wait(CLOSING_SECONDS)
        finally:
            self._end()

    def restart_if_short_of_mappings(self) -> None:
        """Replace a worker that earlier cases have left little room; looks at every tenth only."""
        self._cases_asked += 1
        looks = self._cases_asked % LOOK_EVERY_CASES == 0
        if looks and self._channel is not None and is_short_of_mappings(self._channel.process.pid):
            self.restart()

    def launch(self) -> None:
        """Begin to start the worker; the first use waits for it."""
        self._launched()

    def _launched(self) -> Channel:
        if self._channel is None:
            if self._is_stopped:
                raise BackendBroken("the run is being stopped")
            if self._is_full:
                self._starter.empty_scratch()
                self._is_full = False
            if self.starts:
                self.start_fork_server()
            try:
                self._channel = self._starter.start(self._limits)
            except OSError as error:
                raise BackendBroken(f"its worker cannot be started: {error}") from None
            self._is_waited_for = False
            self.starts += 1
            if self._is_stopped:  # Another thread stopped it while it was started.
                self._channel.process.kill()
        return self._channel

    def start_fork_server(self) -> None:
        """Begin to import the library once more, where workers can be forked from that."""
        if self._info is not None and self._info.survives_fork and not self._is_stopped:
            self._starter.import_once_more()

    def _await_import(self, channel: Channel) -> None:
        """Wait until the worker says something; raises TimeoutError if it does not in time."""
        started = time.monotonic()
        most = max(LEAST_IMPORT_SECONDS, LONGER_IMPORT * self._timeout)
        self._set_deadline(channel, self._timeout)
        done = -1.0
        while True:
            try:
                channel.replies.wait()
            except TimeoutError:
                now, before, done = time.monotonic(), done, work_done(channel.process.pid)
                if now - started > most or (before >= 0 and done - before < 1):
                    raise TimeoutError(f"{now - started:.0f}") from None
                channel.replies.deadline = now + LOOK_AT_IMPORT_SECONDS
            else:
                return self._set_deadline(channel, self._timeout)

    def _await_hello(self, channel: Channel) -> None:
        try:
            self._await_import(channel)
            hello = bounded_reply(wire.receive(channel.replies)[0])
        except TimeoutError as took:
            said = self._printed()
            self.close()
            raise BackendBroken(
                f"importing {self.name} did not end in {took} s: raise --timeout if that is slow "
                f"rather than stuck; {said}"
            ) from None
        except (wire.Broken, LimitBroken, OSError):
            said, died = self._printed(), self._describe_death()
            self.close()
            if "No module named 'embcheck'" in said:
                advice = f"{self._python} -m pip install embcheck=={version('embcheck')}"
                said = f"embcheck is not installed there: {advice}"
            raise BackendBroken(f"{died} while importing {self.name}; {said}") from None
        if hello["status"] == "unavailable":
            self.close()
            raise BackendUnavailable(hello["message"])
        if hello["status"] != "ready":
            self.close()
            raise BackendBroken(f"{hello['exception']}: {hello['message']}")
        if hello["embcheck"] != version("embcheck"):
            self.close()
            raise BackendBroken(
                f"its environment has embcheck {hello['embcheck']}, this one {version('embcheck')}"
            )
        try:
            self._info = parse_info(hello["info"])
        except (ValueError, TypeError) as error:
            self.close()
            raise BackendBroken(f"its info cannot be understood: {error}") from None
        self._ready = True
        self.import_seconds = self.import_seconds or hello["import_seconds"]

    def kill(self) -> None:
        """Kill the worker with everything that it started; a request that waits ends as crashed."""
        channel = self._channel
        if channel is not None:
            channel.process.kill()

    def stop(self) -> None:
        """Kill the worker for good, from any thread: no other is started in its place."""
        self._is_stopped = True
        self.kill()
        self._starter.kill()

    def _describe_death(self) -> str:
        """Say how a worker died, with its last words, and forget it."""
        if self._channel is None:
            return "the worker was not running"
        process = self._channel.process
        try:
            # The channel closes a moment before the kernel tells how the process ended.
            code = process.wait(DEATH_SECONDS)
        except TimeoutError:
            code = process.code
            if not process.ended:
                return f"the worker closed its channel without ending{self._end_with_last_words()}"
        words = self._end_with_last_words()
        if process.broken:
            return f"the worker was killed: {process.broken}{words}"
        if code is None:
            return f"the worker was killed{words}"
        if code < 0:
            return f"the process died of {signal.Signals(-code).name}{words}"
        return f"the process ended with exit code {code}{words}"

    def _end_with_last_words(self) -> str:
        """End the worker; return what it printed last as the end of a sentence."""
        words = self._channel.output.last_words() if self._channel else ""
        self._end()
        return f"; it printed last: {words}" if words else ""

    def _end(self) -> None:
        """End the worker and all that it started at once, and forget it."""
        channel, self._channel = self._channel, None
        self._ready = self._is_waited_for = False
        if channel is not None:
            self._is_full |= channel.process.is_full
            channel.close()

    def _printed(self) -> str:
        text = self._channel.output.tail() if self._channel else ""
        return f"it printed: {text}" if text else "it printed nothing"
