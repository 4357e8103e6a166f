"""Start the workers of a backend, one after another, in the same environment and folders."""

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
"""Libraries read these when they are imported. JAX must show its frames in tracebacks, which show
who raised an error. Idle threads must not spin for long, but threads that sleep between two calls
in a row make a lookup several times slower: see docs/timing.md."""
FORK_SECONDS = 20.0
"""How long a fork server may take to import a library; after that, workers import it themselves."""


class StartedWorker:
    """A started worker: its process, the pipes for requests and replies, and its output."""

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
    """The starter of one backend's workers, in the caller's environment and `given`.

    Workers may write to two folders. The first is a temporary one that they share, and that is
    deleted when the starter is closed, unless `given` names a TMPDIR. The second is the cache that
    `given` names, or else that of the adapter's distribution. Without either, the cache is in the
    first.
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
        """Start a worker; fork it from the fork server if there is one."""
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
            # Only the worker has these ends from now on, so that its death closes the channel.
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
        except OSError:  # Forking only saves time: a worker may import by itself.
            self.stop_forking()
            return None

    @property
    def forks(self) -> bool:
        """Whether workers are forked from a fork server, or will be once it has imported."""
        return self._server is not None

    def import_once_more(self) -> None:
        """Start a fork server, which begins to import the library, unless there is one."""
        if self._server is None:
            self._have_folders()
            self._server = ForkServer(self._name, self._python, self._environment, self._writable)

    def keep_bytecode(self, folders: Iterable[str], seconds: float) -> None:
        """Write bytecode files for the modules in folders, for at most `seconds`; run no module.

        Otherwise each worker would compile them again, which takes seconds for a library that was
        installed without bytecode.
        """
        folders = [folder for folder in folders if os.access(_beside(folder), os.W_OK)]
        if not folders:
            return
        with Path(os.devnull).open("wb") as nothing:
            # Not confined, as it writes beside the sources. It only parses them; with -P and -S, it
            # runs no modules of the caller's folder and no site hooks.
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
        self.stop_forking()  # The fork server may keep files there too.
        if self._scratch is not None:
            self._scratch.empty()

    def kill(self) -> None:
        """Kill the fork server and the compiling process; any thread may call this."""
        for process in (self._server, self._compiler):
            if process is not None:
                process.kill()

    def close(self) -> None:
        """End the fork server, and delete the temporary folder."""
        self.stop_forking()
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch, self._writable = None, []  # A later start chooses new ones.

    def stop_forking(self) -> None:
        """End the fork server; the next worker imports the library itself."""
        server, self._server = self._server, None
        if server is not None:
            server.close()


def _beside(folder: str) -> str:
    """Return the folder where the bytecode of a folder's modules is, or would be made."""
    place = Path(cache_from_source(f"{folder}/module.py")).parent
    return str(place) if place.is_dir() else sys.pycache_prefix or folder
