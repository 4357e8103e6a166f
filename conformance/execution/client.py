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
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any, BinaryIO

import numpy as np

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution import wire
from embcheck.conformance.execution.address import Address, parse_address
from embcheck.conformance.execution.limits import MIB, LimitBroken, Limits, is_crowded, watch
from embcheck.conformance.execution.messages import describe_call, parse_info
from embcheck.conformance.execution.nursery import Nursery, Offspring
from embcheck.conformance.execution.pipes import PipeReader, PipeWriter, make_pipe
from embcheck.conformance.execution.refusal import Refuser
from embcheck.conformance.execution.scratch import make_scratch

START_SECONDS = 180.0
OUTPUT_LIMIT = 2000
OUTPUT_KEPT = 16 * MIB
LOOK_EVERY = 10
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


@dataclass(frozen=True)
class Answered:
    """The call returned, with these arrays by observation name."""

    arrays: Mapping[str, np.ndarray]
    seconds: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rejected:
    """The call was refused before it returned, by the library or by what stands before it."""

    exception: str
    message: str
    seconds: float = 0.0
    refuser: Refuser = Refuser.LIBRARY


@dataclass(frozen=True)
class NotSupported:
    """The backend cannot express the call, and says why."""

    reason: str


@dataclass(frozen=True)
class Crashed:
    """The worker process died, or the library asked for it to end, after some seconds."""

    message: str
    seconds: float = 0.0


@dataclass(frozen=True)
class TimedOut:
    """No answer came in time; the worker was killed."""

    seconds: float


@dataclass(frozen=True)
class Errored:
    """The adapter or the harness is at fault; `late` if Unsupported came after `prepare`."""

    message: str
    late: bool = False


Answer = Answered | Rejected | NotSupported | Crashed | TimedOut | Errored


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
        self._cases = 0
        self.import_seconds = 0.0
        self._timeout = timeout
        self._limits = limits
        self._python = address.python
        self._environment = {**os.environ, **ENVIRONMENT, **(environment or {})}
        self._needs_scratch = "TMPDIR" not in (environment or {})
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | Offspring | None = None
        self._nursery: Nursery | None = None
        self._requests: PipeWriter
        self._replies: PipeReader
        self._output: BinaryIO
        self._info: BackendInfo | None = None
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
        try:
            if not self._ready:
                self._start()
        except (BackendBroken, BackendUnavailable) as error:
            return Errored(f"the worker cannot be started again: {error}")
        started = time.perf_counter()
        try:
            self._forget_output()
            self._set_deadline(timeout)
            wire.send(self._requests, header, arrays, with_layouts=True)
            reply, answer = wire.receive(self._replies)
        except LimitBroken as broken:
            self.kill()
            self._bury()
            return Crashed(f"the worker was killed: {broken}", time.perf_counter() - started)
        except TimeoutError:
            self.kill()
            self._bury()
            return TimedOut(timeout)
        except (wire.Broken, OSError) as error:
            message = self._bury() or f"the worker's channel broke: {error}"
            return Crashed(message, time.perf_counter() - started)
        return _parse(reply, answer)

    def _set_deadline(self, seconds: float) -> None:
        self._requests.deadline = self._replies.deadline = time.monotonic() + seconds

    def close(self) -> None:
        """End the worker, gently if it listens, and what could replace it."""
        self.restart()
        self._close_nursery()
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def restart(self) -> None:
        """End the worker, gently if it listens; the next request starts a fresh one."""
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            self._requests.close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._forget()

    def renew(self) -> None:
        """Replace a worker that earlier cases have left little room; looks at every tenth only."""
        self._cases += 1
        looks = self._cases % LOOK_EVERY == 0
        if looks and self._process is not None and is_crowded(self._process.pid):
            self.restart()

    def launch(self) -> None:
        """Begin to start the worker; the first use waits for it."""
        if self._process is None:
            self._spawn()

    def _start(self) -> None:
        self.launch()
        self._hello()

    def _spawn(self) -> None:
        request_read, request_write = make_pipe()
        reply_read, reply_write = make_pipe()
        if self._needs_scratch and self._scratch is None:
            self._scratch = make_scratch(self._environment)
            self._environment["TMPDIR"] = self._scratch.name
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the worker)
        module = "embcheck.conformance.execution.worker"
        self._process = self._fork(request_read, reply_write) or subprocess.Popen(  # noqa: S603
            [self._python, "-m", module, self.name, str(request_read), str(reply_write)],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            pass_fds=(request_read, reply_write),
            env=self._environment,
            start_new_session=True,
        )
        os.close(request_read)
        os.close(reply_write)
        self._requests = PipeWriter(request_write)
        self._replies = PipeReader(reply_read)
        self._replies.watch = watch(self._process.pid, self._output.fileno(), self._limits)
        self.starts += 1

    def _fork(self, request_read: int, reply_write: int) -> Offspring | None:
        """Replace a worker that died by one that need not import the library again."""
        try:
            self.expect_death()
            if self._nursery is None:
                return None
            return self._nursery.fork(request_read, reply_write, self._output.fileno())
        except OSError:
            self._close_nursery()
            return None

    def expect_death(self) -> None:
        """Begin to import the library once more, where workers can be forked from that."""
        forks = self._info is not None and self._info.survives_fork
        if forks and self._nursery is None:
            self._nursery = Nursery(self.name, self._python, self._environment)

    def _close_nursery(self) -> None:
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None

    def _hello(self) -> None:
        try:
            self._set_deadline(START_SECONDS)
            hello, _ = wire.receive(self._replies)
        except (wire.Broken, TimeoutError, LimitBroken):
            said, died = self._printed(), self._bury()
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
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _bury(self) -> str:
        """Say how a worker died, and forget it."""
        if self._process is None:
            return "the worker was not running"
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
            self._forget()
            return "the worker closed its channel without ending"
        self.kill()
        self._forget()
        if code < 0:
            return f"the process died of {signal.Signals(-code).name}"
        return f"the process ended with exit code {code}"

    def _forget(self) -> None:
        for stream in (self._requests, self._replies, self._output):
            with contextlib.suppress(OSError):
                stream.close()
        self._process = None
        self._ready = False

    def _forget_output(self) -> None:
        """Drop what earlier calls printed, where it is much; the last words before a death stay."""
        if os.fstat(self._output.fileno()).st_size > OUTPUT_KEPT:
            os.ftruncate(self._output.fileno(), 0)

    def _printed(self) -> str:
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - OUTPUT_LIMIT))
        text = self._output.read().decode("utf-8", "replace").strip()
        return f"it printed: {text}" if text else "it printed nothing"


def _parse(reply: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Answer:
    status = reply["status"]
    if status == "answered":
        return Answered(arrays, reply.get("seconds", 0.0), reply)
    said = f"{reply['exception']}: {reply['message']}"
    if status == "rejected":
        seconds, refuser = reply.get("seconds", 0.0), Refuser(reply.get("refuser", "library"))
        return Rejected(reply["exception"], reply["message"], seconds, refuser)
    if status == "unsupported":
        return NotSupported(reply["message"])
    if status == "exited":
        return Crashed(f"raised {said}, which ends the caller's process")
    return Errored(f"{reply['stage']} raised {said}", late=reply.get("late", False))
