"""The harness's end of a worker: start it, ask it, outlive it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any, BinaryIO

import numpy as np

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution import wire
from embcheck.conformance.execution.address import Address, parse_address
from embcheck.conformance.execution.answers import (
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
from embcheck.conformance.execution.fork_server import ForkedWorker, ForkServer
from embcheck.conformance.execution.limits import (
    MIB,
    LimitBroken,
    Limits,
    is_short_of_mappings,
    watch,
)
from embcheck.conformance.execution.messages import WORKER, describe_call, parse_hello
from embcheck.conformance.execution.pipes import PipeReader, PipeWriter, make_pipe

START_SECONDS = 180.0
OUTPUT_LIMIT = 2000
OUTPUT_KEPT = 16 * MIB
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
    TMPDIR, workers have one of their own, which goes with the client, however they died. With
    `any_id`, a backend may call itself otherwise than it is announced.
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
        self._cases_asked = 0
        self.import_seconds = 0.0
        self._timeout = timeout
        self._limits = limits
        self._python = address.python
        self._environment = {**os.environ, **ENVIRONMENT, **(environment or {})}
        self._needs_scratch = "TMPDIR" not in (environment or {})
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | ForkedWorker | None = None
        self._fork_server: ForkServer | None = None
        self._requests: PipeWriter
        self._replies: PipeReader
        self._output: BinaryIO
        self._info: BackendInfo | None = None
        self._any_id = any_id
        self._number = 0
        self.complaints: list[str] = []
        self._lock = threading.Lock()
        self._ready = False

    @property
    def info(self) -> BackendInfo:
        """The backend's info; raises BackendUnavailable or BackendBroken."""
        if self._info is None:
            self._start()
        if self._info is None:
            raise BackendBroken(f"{self.name} said nothing of itself")
        return self._info

    @property
    def pid(self) -> int | None:
        """The worker's process id, while it lives."""
        return self._process.pid if self._process else None

    @property
    def printed_bytes(self) -> int:
        """How much the worker has printed since it started, while it lives."""
        return os.fstat(self._output.fileno()).st_size if self._process else 0

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
        """Ask; once more in a fresh worker, where an earlier request has left this one spoilt."""
        for may_ask_again in (header["request"] in ANY_WORKERS, False):
            try:
                return self._exchange(header, arrays, timeout)
            except wire.Stale as left:
                stale = left
            if not may_ask_again:
                break
            self.complaints.append(f"a worker was replaced: {stale}")
        return broken_protocol(stale)

    def _exchange(
        self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray], timeout: float
    ) -> Answer:
        try:
            if not self._ready:
                self._start()
        except (BackendBroken, BackendUnavailable) as error:
            return Errored(f"the worker cannot be started again: {error}")
        started = time.perf_counter()
        answer: Answer
        try:
            self._drop_old_output()
            self._set_deadline(timeout)
            return self._answer_to(header, arrays)
        except LimitBroken as broken:
            answer = Crashed(f"the worker was killed: {broken}", time.perf_counter() - started)
        except TimeoutError:
            answer = TimedOut(timeout)
        except (wire.Closed, OSError):
            death = self._describe_death(self._last_output())
            return Crashed(death, time.perf_counter() - started)
        except wire.Stale:
            self._end()
            raise
        except wire.Broken as broken:
            answer = broken_protocol(broken)
        self._end()
        return answer

    def _answer_to(self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Answer:
        """Send a request and read the reply; raises what tells that there is none."""
        if self._replies.has_more():
            raise wire.Stale(f"after reply number {self._number} it sent more")
        self._number += 1
        numbered = {**header, "number": self._number}
        wire.send(self._requests, numbered, arrays, with_layouts=True)
        reply, answer = wire.receive(self._replies, number=self._number)
        parsed = parse_answer(reply, answer, header)
        if isinstance(parsed, Errored) and reply.get("stage") == WORKER:
            if self._number > 1:  # Perhaps an earlier call has spoilt the worker.
                raise wire.Stale(parsed.message)
            self._end()
        return parsed

    def _end(self) -> None:
        self.kill()
        self._describe_death()

    def _set_deadline(self, seconds: float) -> None:
        self._requests.deadline = self._replies.deadline = time.monotonic() + seconds

    def close(self) -> None:
        """End the worker, gently if it listens, and what could replace it."""
        self.restart()
        self._close_fork_server()
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def restart(self) -> None:
        """End the worker, gently if it listens; the next request starts a fresh one."""
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            self._requests.close()  # A worker that listens ends when nobody can ask any more.
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._close_channels()

    def restart_if_short_of_mappings(self) -> None:
        """Replace a worker that earlier cases have left little room; looks at every tenth only."""
        self._cases_asked += 1
        looks = self._cases_asked % LOOK_EVERY_CASES == 0
        if looks and self._process is not None and is_short_of_mappings(self._process.pid):
            self.restart()

    def launch(self) -> None:
        """Begin to start the worker; the first use waits for it."""
        if self._process is None:
            self._spawn()

    def _start(self) -> None:
        self.launch()
        self._await_hello()

    def _spawn(self) -> None:
        request_read, request_write = make_pipe()
        reply_read, reply_write = make_pipe()
        if self._needs_scratch and self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(
                prefix="embcheck-worker-", ignore_cleanup_errors=True
            )
            self._environment["TMPDIR"] = self._scratch.name
        # A file and no pipe: a library may print without end, and nobody reads until it has died.
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the worker)
        module = "embcheck.conformance.execution.inside.worker"
        self._process = self._fork(request_read, reply_write) or subprocess.Popen(  # noqa: S603
            [self._python, "-m", module, self.name, str(request_read), str(reply_write)],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            pass_fds=(request_read, reply_write),
            env=self._environment,
            start_new_session=True,  # With what it starts, it is killed as one group.
        )
        # Only the worker has these ends now, so that its death closes the channel.
        os.close(request_read)
        os.close(reply_write)
        self._requests = PipeWriter(request_write)
        self._replies = PipeReader(reply_read)
        self._replies.watch = watch(self._process.pid, self._output.fileno(), self._limits)
        self.starts += 1

    def _fork(self, request_read: int, reply_write: int) -> ForkedWorker | None:
        """Replace a worker that died by one that need not import the library again."""
        try:
            self.start_fork_server()
            if self._fork_server is None:
                return None
            return self._fork_server.fork(request_read, reply_write, self._output.fileno())
        except OSError:  # Forking saves time only: a worker that imports anew does as well.
            self._close_fork_server()
            return None

    def start_fork_server(self) -> None:
        """Begin to import the library once more, where workers can be forked from that."""
        forks = self._info is not None and self._info.survives_fork
        if forks and self._fork_server is None:
            self._fork_server = ForkServer(self.name, self._python, self._environment)

    def _close_fork_server(self) -> None:
        if self._fork_server is not None:
            self._fork_server.close()
            self._fork_server = None

    def _await_hello(self) -> None:
        try:
            self._set_deadline(START_SECONDS)
            self._number = 0
            header, _ = wire.receive(self._replies, 0, number=0)
            name = None if self._any_id else self.name
            hello = parse_hello(header, name, version("embcheck"))
        except (wire.Broken, TimeoutError, LimitBroken, OSError) as problem:
            raise BackendBroken(self._failed_start(problem)) from None
        if hello.info is None:
            self.close()
            raise (BackendUnavailable if hello.is_absence else BackendBroken)(hello.reason)
        self._info = hello.info
        self._ready = True
        self.import_seconds = self.import_seconds or hello.import_seconds

    def _failed_start(self, problem: Exception) -> str:
        """Say why there was no hello, and end the worker."""
        said = self._printed()
        match problem:
            case TimeoutError():
                how = f"the worker said nothing in {START_SECONDS:g} s"
            case LimitBroken():
                how = f"the worker was killed: {problem}"
            case wire.Closed() | OSError():
                how = self._describe_death()
            case _:
                how = broken_protocol(problem).message
        self._end()
        self.close()
        if "No module named 'embcheck'" in said:
            advice = f"{self._python} -m pip install embcheck=={version('embcheck')}"
            said = f"embcheck is not installed there: {advice}"
        return f"{how} while importing {self.name}; {said}"

    def kill(self) -> None:
        """Kill the worker with everything that it started; a request that waits ends as crashed."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _describe_death(self, printed: str = "") -> str:
        """Say how a worker died, with the end of what it printed, and forget it."""
        if self._process is None:
            return "the worker was not running"
        try:
            # The channel closes a moment before the kernel tells how the process ended.
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
            self._close_channels()
            return "the worker closed its channel without ending"
        self.kill()  # Of its group, what it started may live on.
        self._close_channels()
        return death_of(code, printed)

    def _close_channels(self) -> None:
        for stream in (self._requests, self._replies, self._output):
            with contextlib.suppress(OSError):
                stream.close()
        self._process = None
        self._ready = False

    def _drop_old_output(self) -> None:
        """Drop what earlier calls printed, where it is much; the last words before a death stay."""
        if os.fstat(self._output.fileno()).st_size > OUTPUT_KEPT:
            os.ftruncate(self._output.fileno(), 0)

    def _printed(self) -> str:
        text = self._last_output()
        return f"it printed: {text}" if text else "it printed nothing"

    def _last_output(self) -> str:
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - OUTPUT_LIMIT))
        return self._output.read().decode("utf-8", "replace").strip()
