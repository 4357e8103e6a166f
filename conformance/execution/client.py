"""The harness's end of a worker process: start it, send requests, and survive its death."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution.address import Address, parse_address
from embcheck.conformance.execution.processes.importing import await_import
from embcheck.conformance.execution.processes.limits import (
    LimitBroken,
    Limits,
    MappingsLook,
    is_short_of_memory,
)
from embcheck.conformance.execution.processes.starter import ENVIRONMENT, StartedWorker, Starter
from embcheck.conformance.execution.protocol import wire
from embcheck.conformance.execution.protocol.answers import (
    ANY_WORKERS,
    Answer,
    Answered,
    Crashed,
    Errored,
    TimedOut,
    broken_protocol,
    death_of,
    parse_answer,
)
from embcheck.conformance.execution.protocol.bounded import bounded_arrays, bounded_reply
from embcheck.conformance.execution.protocol.messages import WORKER, describe_call, parse_hello

CLOSING_SECONDS = 2.0
DEATH_SECONDS = 1.0
"""How long to wait for the end of a process that has closed its channel."""


class BackendUnavailable(Exception):
    """The backend is known but cannot run here; the message says why."""


class BackendBroken(Exception):
    """The adapter failed while it was imported or created; the message says how."""


class WorkerClient:
    """A backend in its own worker process, started when first needed and again after it died.

    A worker's environment is the caller's plus ENVIRONMENT plus `environment`; see Starter. With
    `any_id`, the backend may have another id than the announced one.
    """

    def __init__(
        self,
        name: str | Address,
        *,
        timeout: float = 60.0,
        limits: Limits = Limits(),  # noqa: B008  (frozen)
        environment: Mapping[str, str] | None = None,
        any_id: bool = False,
    ) -> None:
        address = name if isinstance(name, Address) else parse_address(name)
        self.name = address.id
        self.starts = 0
        self._mappings = MappingsLook()
        self.import_seconds = 0.0
        self._timeout = timeout
        self._limits = limits
        self._python = address.python
        given = {**ENVIRONMENT, **(environment or {})}
        self._starter = Starter(address.id, address.python, given)
        self._channel: StartedWorker | None = None
        self._info: BackendInfo | None = None
        self._any_id = any_id
        self._number = 0
        self.complaints: list[str] = []
        # Threads of several backends share the one worker of the reference.
        self._lock = threading.Lock()
        self._ready = False
        # Whether a request was sent whose reply is not read yet.
        self._is_waited_for = False
        self._is_stopped = False
        # Whether the temporary folder is to be emptied before the next worker starts.
        self._is_full = False

    @property
    def info(self) -> BackendInfo:
        """The backend's info; raises BackendUnavailable or BackendBroken."""
        if self._info is None:
            self._await_hello(self.launch())
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
        """Ask for one call. Return the outcome, also a crash or a timeout; never raise.

        With `again`, the thunk is called twice. `spelling` selects another spelling. See
        `Worker.ask`.
        """
        more = {"again": again, "spelling": spelling}
        return self.request({"request": "ask", "call": describe_call(call), **more}, call.inputs)

    def ask_large(self, header: Mapping[str, Any], memory: int, seconds: float) -> Answer:
        """Ask for a large call; limit the worker to `memory` bytes and the call to `seconds`."""
        usual = self._limits
        self.restart()  # The limits hold from the start of a worker.
        self._limits = replace(usual, memory=memory)
        try:
            return self.request(header, timeout=seconds)
        finally:
            self.restart()
            self._limits = usual

    def origin(self) -> list[dict[str, Any]]:
        """Return `module`, `file` and `doc` of the announced module and of the class's module.

        The announced module comes first. The list is empty if the worker cannot tell.
        """
        answer = self.request({"request": "origin", "name": self.name})
        return list(answer.details["modules"]) if isinstance(answer, Answered) else []

    def keep_bytecode(self) -> None:
        """Write the bytecode of the modules that the worker imported; it may not do so itself."""
        answer = self.request({"request": "uncompiled"})
        if isinstance(answer, Answered) and not self._is_stopped:
            self._starter.keep_bytecode(answer.details["folders"], self._timeout)

    def script(self, call: Call) -> Answer:
        """Ask for a call as lines of the library's API: the answer's detail `script`."""
        return self.request({"request": "script", "call": describe_call(call)}, call.inputs)

    def request(
        self,
        header: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray] | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Send a request and wait; the next request replaces a worker that died or hung."""
        arrays, timeout = arrays or {}, timeout or self._timeout
        with self._lock:
            try:
                return self._exchange(header, arrays, timeout)
            except wire.Stale as stale:
                if header["request"] not in ANY_WORKERS:
                    return _left_over(stale)
                self.complaints.append(f"a worker was replaced: {stale}")
            # An earlier request has spoilt the worker: ask a fresh one the same.
            try:
                return self._exchange(header, arrays, timeout)
            except wire.Stale as stale:
                return _left_over(stale)

    def _exchange(
        self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray], timeout: float
    ) -> Answer:
        try:
            channel = self._ready_channel()
        except (BackendBroken, BackendUnavailable) as error:
            return Errored(f"the worker cannot be started again: {error}")
        started = time.perf_counter()
        try:
            # Stays True after KeyboardInterrupt, which no branch here catches.
            self._is_waited_for = True
            channel.output.drop_old()
            self._set_deadline(channel, timeout)
            answer = self._answer_to(channel, header, arrays)
        except LimitBroken as broken:
            said = self._end_with_last_words()
            return Crashed(f"the worker was killed: {broken}{said}", time.perf_counter() - started)
        except TimeoutError:  # A subclass of OSError, so it must come first.
            self._end()
            return TimedOut(timeout)
        except (wire.Closed, OSError):
            return Crashed(self._describe_death(), time.perf_counter() - started)
        except wire.Stale:
            self._end()
            raise
        except wire.Broken as broken:
            self._end()
            return broken_protocol(broken)
        self._is_waited_for = False
        return answer

    def _answer_to(
        self, channel: StartedWorker, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> Answer:
        """Send a request and read the reply; raise wire.Broken, OSError or LimitBroken if none."""
        # Checked before sending: bytes that are there now do not answer this request.
        has_more = channel.replies.has_more()
        if channel.process.ended:
            raise wire.Died(f"between two requests, {self._describe_death()}")
        if has_more:
            raise wire.Stale(f"after reply number {self._number} it sent more")
        self._number += 1
        numbered = {**header, "number": self._number}
        wire.send(channel.requests, numbered, arrays, with_layouts=True)
        reply, answer = wire.receive(channel.replies, number=self._number)
        answer, left_out = bounded_arrays(answer)
        reply = bounded_reply(reply)
        parsed = parse_answer(reply, answer, header, arrays)
        if left_out and isinstance(parsed, Answered):
            return replace(parsed, details={**parsed.details, "left_out": left_out})
        if isinstance(parsed, Errored) and reply.get("stage") == WORKER:
            if self._number > 1:  # Perhaps an earlier call has spoilt the worker.
                raise wire.Stale(parsed.message)
            self._end()
        return parsed

    def _set_deadline(self, channel: StartedWorker, seconds: float) -> None:
        channel.requests.deadline = channel.replies.deadline = time.monotonic() + seconds
        channel.replies.allow(self._limits.answer)

    def _ready_channel(self) -> StartedWorker:
        """Return the channel of an idle worker; start one if there is none.

        If earlier calls left much in the temporary folder, the worker is replaced and the folder
        emptied.
        """
        if self._is_waited_for:  # After Ctrl-C: the late reply would be taken for the next one.
            self._end()
        if self._channel is not None and self._channel.process.is_full:
            self.restart()
        if not self._ready or self._channel is None:
            self._await_hello(self.launch())
        assert self._channel is not None  # noqa: S101  (it has just said hello)
        return self._channel

    def close(self) -> None:
        """End the worker, gently if it is idle, and its fork server; delete its files."""
        try:
            self.restart()
        finally:
            self._starter.close()

    def hang_up(self) -> None:
        """Tell an idle worker to end, without waiting; `close` or `restart` must follow."""
        if self._channel is not None:
            self._channel.requests.close()  # A worker ends when this pipe is closed.

    def restart(self) -> None:
        """End the worker, gently if it is idle; the next request starts a fresh one."""
        if self._channel is None:
            return
        try:
            self.hang_up()
            if self._ready and not self._is_waited_for:
                with contextlib.suppress(TimeoutError):
                    self._channel.process.wait(CLOSING_SECONDS)
        finally:
            self._end()

    def restart_if_short_of_room(self) -> None:
        """Replace a worker to which earlier cases left little memory or few memory mappings."""
        if self._channel is None:
            return
        pid = self._channel.process.pid
        if is_short_of_memory(pid, self._limits) or self._mappings.are_short(pid):
            self.restart()

    def launch(self) -> StartedWorker:
        """Start the worker unless it is there, without waiting; its first use waits for it."""
        if self._channel is None:
            if self._is_stopped:
                raise BackendBroken("the run is being stopped")
            if self._is_full:
                self._starter.empty_scratch()
                self._is_full = False
            if self.starts:  # It may be replaced often, and a fork is cheaper.
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

    def import_ahead(self) -> None:
        """Start a fork server, from which also the first worker is forked."""
        self._starter.import_once_more()

    def start_fork_server(self) -> None:
        """Start a fork server if the backend survives a fork; do not wait for its import."""
        if self._info is not None and self._info.survives_fork and not self._is_stopped:
            self._starter.import_once_more()

    def _await_hello(self, channel: StartedWorker) -> None:
        try:
            await_import(channel, self._timeout)
            self._set_deadline(channel, self._timeout)
            self._number = 0
            header, _ = wire.receive(channel.replies, 0, number=0)
            name = None if self._any_id else self.name
            hello = parse_hello(bounded_reply(header), name, version("embcheck"))
        except (wire.Broken, TimeoutError, LimitBroken, OSError) as problem:
            raise BackendBroken(self._failed_start(problem)) from None
        if hello.info is None:
            self.close()
            raise (BackendUnavailable if hello.is_absence else BackendBroken)(hello.reason)
        self._info = hello.info
        self._ready = True
        if self._starter.forks and not hello.info.survives_fork:
            self._starter.stop_forking()
            self.restart()  # The forked worker has only sent its hello.
        # The first import's time: a forked worker reports its server's, which had warm caches.
        self.import_seconds = self.import_seconds or hello.import_seconds

    def _failed_start(self, problem: Exception) -> str:
        """Say why there was no hello, and end the worker."""
        printed = self._channel.output.tail() if self._channel else ""
        said = f"it printed: {printed}" if printed else "it printed nothing"
        match problem:
            case TimeoutError():
                took = str(problem) or f"{self._timeout:g}"
                how = f"the worker said nothing in {took} s"
                said = f"raise --timeout if that is slow rather than stuck; {said}"
            case LimitBroken():
                how = f"the worker was killed: {problem}"
            case wire.Closed() | OSError():
                how = self._describe_death()
            case _:
                how = broken_protocol(problem).message
        self.close()  # Nothing more is asked of a backend that did not start.
        if "No module named 'embcheck'" in said:
            advice = f"{self._python} -m pip install embcheck=={version('embcheck')}"
            said = f"embcheck is not installed there: {advice}"
        return f"{how} while importing {self.name}; {said}"

    def kill(self) -> None:
        """Kill the worker with everything that it started; a waiting request ends as crashed."""
        channel = self._channel  # Read once: another thread may clear it between two reads.
        if channel is not None:
            channel.process.kill()

    def stop(self) -> None:
        """Kill the worker for good, from any thread: it is not replaced."""
        self._is_stopped = True
        self.kill()
        self._starter.kill()

    def _describe_death(self) -> str:
        """End a worker that died; say how it died, and what it printed last."""
        if self._channel is None:
            return "the worker was not running"
        process = self._channel.process
        with contextlib.suppress(TimeoutError):
            # The channel closes a moment before the kernel reports the end of the process.
            process.wait(DEATH_SECONDS)
        ended, words = process.ended, self._end_with_last_words()
        if not ended:
            return f"the worker closed its channel without ending{words}"
        if process.broken:
            return f"the worker was killed: {process.broken}{words}"
        if process.code is None:
            return f"the worker was killed{words}"
        return f"{death_of(process.code)}{words}"

    def _end_with_last_words(self) -> str:
        """End the worker; return what it printed last as the end of a sentence."""
        words = self._channel.output.last_words() if self._channel else ""
        self._end()
        return f"; it printed last: {words}" if words else ""

    def _end(self) -> None:
        """End the worker and all that it started at once, and forget it."""
        # Forgotten first: if closing is interrupted, nobody uses a half-closed channel.
        channel, self._channel = self._channel, None
        self._ready = self._is_waited_for = False
        if channel is not None:
            self._is_full |= channel.process.is_full
            channel.close()


def _left_over(stale: wire.Stale) -> Answer:
    """Make an answer of what an earlier request left behind: a dead worker, or extra bytes."""
    return Crashed(str(stale)) if isinstance(stale, wire.Died) else broken_protocol(stale)
