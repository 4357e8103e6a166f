"""The workers of a timing run: one of each backend, a second of the baseline, the sentinel's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

from embcheck.conformance.contract.cache import CACHE
from embcheck.conformance.execution.address import Address
from embcheck.conformance.execution.client import BackendBroken, BackendUnavailable, WorkerClient
from embcheck.conformance.execution.pool import describe_backend
from embcheck.conformance.execution.processes import limits
from embcheck.conformance.execution.protocol.answers import Answered
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.timing.clock.arms import CANDIDATE, SENTINEL, Arm
from embcheck.conformance.timing.clock.machine import cores
from embcheck.conformance.timing.clock.schedule import ArmLost

DEFINITION = "numpy-reference"
SENTINEL_NAME = "np.take"
ORACLE = (DEFINITION, SENTINEL)
"""The definition answers in the sentinel's worker, before the sentinel is timed."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def thread_count(threads: int | str) -> int:
    """Return a number of threads; `all` means the number of cores."""
    return cores() if threads == "all" else int(threads)


class Workers:
    """Workers by backend and role: started when they are needed, kept, and ended together.

    With a number of `threads`, a worker is confined to as many cores before it starts, which every
    library's pools obey. Environment variables say the same to libraries that read them. Files of
    adapters and compilers go below the folder `cache`, which is fresh for each run. Each role and
    cell has a folder of its own there. So exports are timed in each cell's first generation, even
    if another cell has made the same ones, and later generations find them. `addresses` maps labels
    of backends to their addresses; any other name is a backend's own id.
    """

    def __init__(
        self,
        threads: int | str,
        timeout: float,
        cache: Path | None = None,
        addresses: Mapping[str, Address] = MappingProxyType({}),
    ) -> None:
        self.threads = thread_count(threads)
        self._addresses = addresses
        self._confined = threads != "all"
        self._timeout = timeout
        self._cache = cache
        self._clients: dict[tuple[str, str], WorkerClient] = {}
        self._problems: dict[tuple[str, str], BackendUnavailable | BackendBroken] = {}

    def arm(self, backend: str, role: str, cell: str = "") -> Arm:
        """Return a fresh arm on the worker that a backend has for a role; raises ArmLost.

        If a `cell` is named, exports are kept in a folder for that cell.
        """
        # The sentinel runs in the definition's worker, but the record names it by what it calls.
        name = SENTINEL_NAME if role == SENTINEL else backend
        arm = Arm(f"{name} ({role})", name, role, self._client(backend, role))
        arm.spare = partial(self._spare, (backend, role))
        if cell and self._cache is not None:
            arm.cache = str(self._cache / _digest(backend, role) / _digest(cell))
        return arm

    def describe(self, backend: str, role: str) -> Mapping[str, Any]:
        """Describe a backend for a run's header: its info, or why there is none."""
        try:
            return describe_backend(backend, self._client(backend, role))
        except ArmLost:
            return describe_backend(backend, self._problems[backend, role])

    def launch(self, keys: Iterable[tuple[str, str]]) -> None:
        """Start the workers of backends in their roles, all at once.

        Imports are not measured then, because they share the cores.
        """
        with self._cores():
            for key in keys:
                if key not in self._clients and key not in self._problems:
                    self._clients[key] = self._make(key)
                    self._clients[key].launch()
        # Only when all of them are starting, since each greeting waits for an import.
        for key in list(self._clients):
            self._greet(key)

    def source(self, backend: str) -> str | None:
        """Return a hash of the adapter's source; None if its worker does not start."""
        try:
            answer = self._client(backend, CANDIDATE).request({"request": "source"})
        except ArmLost:
            return None
        return answer.details["sha256"] if isinstance(answer, Answered) else None

    def close(self) -> None:
        """Kill all workers, since a library may take a second to shut down."""
        for client in self._clients.values():
            client.kill()
            client.close()

    def _client(self, backend: str, role: str) -> WorkerClient:
        key = (backend, role)
        if key in self._clients and self._clients[key].pid is None:
            # It died. Its client would restart it, but not confined to a core.
            del self._clients[key]
        if key not in self._clients and key not in self._problems:
            self._start(key)
        problem = self._problems.get(key)
        if isinstance(problem, BackendUnavailable):
            raise ArmLost(f"unavailable: {problem}", ExitCode.USAGE)
        if problem is not None:
            raise ArmLost(f"errored: {problem}", ExitCode.HARNESS)
        return self._clients[key]

    def _start(self, key: tuple[str, str]) -> None:
        self._clients[key] = self._make(key)
        with self._cores():
            self._greet(key)

    def _cores(self) -> AbstractContextManager[None]:
        """Confine the workers that are started meanwhile to the cell's number of cores."""
        return few_cores(self.threads) if self._confined else nullcontext()

    def _make(self, key: tuple[str, str]) -> WorkerClient:
        environment = dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        if self._cache is not None:
            folder = self._cache / _digest(*key)
            folder.mkdir(exist_ok=True)
            # TMPDIR also marks the processes that the worker starts (see `outside.kin_of`).
            environment |= {"TMPDIR": str(folder), CACHE: str(folder)}
        where = self._addresses.get(key[0], key[0])
        return WorkerClient(
            where, timeout=self._timeout, limits=limits.timed(), environment=environment
        )

    def _spare(self, key: tuple[str, str]) -> WorkerClient:
        """Return one more worker, confined like the others, which the caller must end."""
        client = self._make(key)
        with self._cores():
            # Not greeted: the caller reads its info, which waits for it or raises.
            client.launch()
        return client

    def _greet(self, key: tuple[str, str]) -> None:
        """Wait until a worker has started or failed."""
        try:
            _ = self._clients[key].info
            self._clients[key].keep_bytecode()
        except (BackendUnavailable, BackendBroken) as problem:
            self._problems[key] = problem
            self._clients.pop(key).close()


def _digest(*names: str) -> str:
    """Return a safe folder name for names that may hold any characters."""
    return sha256("\0".join(names).encode()).hexdigest()[:16]


@contextmanager
def few_cores(count: int) -> Iterator[None]:
    """Confine this process, and the processes that it starts meanwhile, to its last cores."""
    # Elsewhere than on Linux, only the environment variables limit a library's threads.
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(allowed)[-count:]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
