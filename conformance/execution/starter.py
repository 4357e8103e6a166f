"""What a backend's workers are started with, one after the other."""

from __future__ import annotations

import os
from collections.abc import Mapping

from embcheck.conformance.execution.fork_server import ForkServer
from embcheck.conformance.execution.limits import Limits
from embcheck.conformance.execution.output import Output
from embcheck.conformance.execution.pipes import PipeReader, PipeWriter, make_pipe
from embcheck.conformance.execution.process import WorkerProcess, start_worker
from embcheck.conformance.execution.scratch import Scratch

WORKER = "embcheck.conformance.execution.inside.worker"
FORK_SECONDS = 20.0
"""Time for a library to be imported once more; after that, a worker imports it anew."""


class StartedWorker:
    """A worker that was started, and the harness's ends of what it reads, answers and prints."""

    def __init__(self, process: WorkerProcess, request: int, reply: int, output: Output) -> None:
        self.process = process
        self.output = output
        self.requests = PipeWriter(request, process)
        self.replies = PipeReader(reply, process)

    def close(self) -> None:
        """End the worker and all that it started, at once."""
        try:
            self.process.close()
        finally:
            self.requests.close()
            self.replies.close()
            self.output.close()


class Starter:
    """Starts workers of one backend by an interpreter, in an environment.

    Unless that names a TMPDIR, they share a temporary folder, which goes with the starter, however
    they died.
    """

    def __init__(
        self, name: str, python: str, environment: Mapping[str, str], *, needs_scratch: bool
    ) -> None:
        self._name, self._python = name, python
        self._environment = dict(environment)
        self._needs_scratch = needs_scratch
        self._scratch: Scratch | None = None
        self._server: ForkServer | None = None

    def start(self, limits: Limits) -> StartedWorker:
        """Start a worker; fork it from what has imported its library already, if that is there."""
        if self._needs_scratch and self._scratch is None:
            self._scratch = Scratch("embcheck-worker-")
            self._environment["TMPDIR"] = self._scratch.name
        (request_read, request_write), (reply_read, reply_write) = make_pipe(), make_pipe()
        channel, output = (request_read, reply_write), Output()
        try:
            process = self._fork(channel, output, limits) or start_worker(
                [self._python, "-m", WORKER, self._name, *map(str, channel)],
                self._environment,
                output=output.fileno(),
                channel=channel,
                limits=limits,
                scratch=self._scratch_name,
            )
        except BaseException:
            os.close(request_write)
            os.close(reply_read)
            output.close()
            raise
        finally:
            # Only the worker has these ends now, so that its death closes the channel.
            for descriptor in channel:
                os.close(descriptor)
        return StartedWorker(process, request_write, reply_read, output)

    @property
    def _scratch_name(self) -> str | None:
        return self._scratch.name if self._scratch else None

    def _fork(
        self, channel: tuple[int, int], output: Output, limits: Limits
    ) -> WorkerProcess | None:
        if self._server is None:
            return None
        try:
            return self._server.fork(
                channel, output.fileno(), limits, self._scratch_name, FORK_SECONDS
            )
        except OSError:  # Forking saves time only: a worker that imports anew does as well.
            self._close_server()
            return None

    def import_once_more(self) -> None:
        """Begin to import the library in a process that workers are forked from."""
        if self._server is None:
            self._server = ForkServer(self._name, self._python, self._environment)

    def empty_scratch(self) -> None:
        """Empty the temporary folder, while no worker uses it."""
        self._close_server()
        if self._scratch is not None:
            self._scratch.empty()

    def kill(self) -> None:
        """Kill what workers are forked from; any thread may ask for it."""
        server = self._server
        if server is not None:
            server.kill()

    def close(self) -> None:
        """End what workers are forked from, and take the temporary folder away."""
        self._close_server()
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def _close_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
