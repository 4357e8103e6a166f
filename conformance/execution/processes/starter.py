"""What a backend's workers are started with, one after the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

from embcheck.conformance.contract.cache import CACHE
from embcheck.conformance.execution.processes.fork_server import ForkServer
from embcheck.conformance.execution.processes.limits import Limits
from embcheck.conformance.execution.processes.output import Output
from embcheck.conformance.execution.processes.pipes import PipeReader, PipeWriter, make_pipe
from embcheck.conformance.execution.processes.process import WorkerProcess, start_worker
from embcheck.conformance.execution.processes.scratch import Scratch
from embcheck.conformance.execution.processes.worker_cache import caches_below, worker_cache

WORKER = "embcheck.conformance.execution.inside.worker"
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
    """Starts workers of one backend by an interpreter, in the caller's environment and `given`.

    They may write to two folders. Unless `given` names a TMPDIR, they share a temporary folder,
    which goes with the starter, however they died. Unless it names the cache, that is the one of
    their adapter's distribution, or below the temporary folder where there is none.
    """

    def __init__(self, name: str, python: str, given: Mapping[str, str]) -> None:
        self._name, self._python = name, python
        self._given = dict(given)
        self._environment = {**os.environ, **given}
        self._writable: list[str] = []
        self._scratch: Scratch | None = None
        self._server: ForkServer | None = None
        self._compiler: WorkerProcess | None = None

    def start(self, limits: Limits) -> StartedWorker:
        """Start a worker; fork it from what has imported its library already, if that is there."""
        self._have_folders()
        output = Output(self._writable[0])  # In the temporary folder, whatever the cache is.
        (request_read, request_write), (reply_read, reply_write) = make_pipe(), make_pipe()
        channel = (request_read, reply_write)
        try:
            process = self._fork(channel, output, limits) or start_worker(
                [self._python, "-m", WORKER, self._name, *map(str, channel)],
                self._environment,
                output=output.fileno(),
                channel=channel,
                limits=limits,
                writable=self._writable,
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

    def _have_folders(self) -> None:
        if not self._writable:
            self._choose_folders()
        for folder in self._writable:  # A user, or a cleaner of old files, may have removed them.
            Path(folder).mkdir(parents=True, exist_ok=True)

    def _choose_folders(self) -> None:
        temporary = self._given.get("TMPDIR")
        if temporary is None:
            self._scratch = Scratch("embcheck-worker-")
            temporary = self._scratch.name
        cache = self._given.get(CACHE) or worker_cache(self._name)
        self._environment |= {"TMPDIR": temporary, **caches_below(cache or f"{temporary}/cache")}
        self._writable = [temporary, *([str(cache)] if cache else [])]

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
            self.stop_forking()
            return None

    @property
    def forks(self) -> bool:
        """Whether workers are forked, or will be once their library is imported."""
        return self._server is not None

    def import_once_more(self) -> None:
        """Begin to import the library in a process that workers are forked from."""
        if self._server is None:
            self._have_folders()
            self._server = ForkServer(self._name, self._python, self._environment, self._writable)

    def keep_bytecode(self, folders: Iterable[str], seconds: float) -> None:
        """Write the bytecode of the modules in folders, for so many seconds; this runs none.

        Else each worker would compile them again, for seconds where a library came without.
        """
        folders = [folder for folder in folders if os.access(_beside(folder), os.W_OK)]
        if not folders:
            return
        with Path(os.devnull).open("wb") as nothing:
            # Not confined, as it writes beside the sources: it parses them and runs none, and -P
            # and -S keep modules of the caller's folder and site hooks from being run instead.
            self._compiler = start_worker(
                [self._python, "-P", "-S", "-m", "compileall", "-q", "-l", *folders],
                self._environment,
                output=nothing.fileno(),
                channel=(),
                limits=Limits(),
                writable=None,
            )
        try:
            with suppress(TimeoutError):
                self._compiler.wait(seconds)
        finally:
            self._compiler.close()

    def empty_scratch(self) -> None:
        """Empty the temporary folder, while no worker uses it."""
        self.stop_forking()  # Its library may keep files there as well.
        if self._scratch is not None:
            self._scratch.empty()

    def kill(self) -> None:
        """Kill what workers are forked from, and what compiles; any thread may ask for it."""
        for process in (self._server, self._compiler):
            if process is not None:
                process.kill()

    def close(self) -> None:
        """End what workers are forked from, and take the temporary folder away."""
        self.stop_forking()
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch, self._writable = None, []  # A later start chooses new ones.

    def stop_forking(self) -> None:
        """End what workers are forked from; the next one imports its library anew."""
        server, self._server = self._server, None
        if server is not None:
            server.close()


def _beside(folder: str) -> str:
    """Return where Python keeps the bytecode of the modules in a folder, or would make that."""
    place = Path(cache_from_source(f"{folder}/module.py")).parent
    return str(place) if place.is_dir() else sys.pycache_prefix or folder
