"""The worker processes of a run: started side by side, closed together."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.execution.address import Address, parse_addresses
from embcheck.conformance.execution.client import BackendBroken, BackendUnavailable, WorkerClient
from embcheck.conformance.execution.known_answers import KnownAnswers
from embcheck.conformance.execution.lookahead import COPIES
from embcheck.conformance.execution.protocol.messages import describe_info
from embcheck.conformance.execution.run_case import CaseRunner

REFERENCE = "numpy-reference"
FRESH = -1
"""The copy of a backend's worker in which failed cases are tried again, each in a fresh process."""
AT_ONCE = max(4, os.cpu_count() or 1)
"""How many workers start at the same time: importing a library takes a core and much memory."""


def describe_backend(
    name: str, started: WorkerClient | BackendUnavailable | BackendBroken
) -> Mapping[str, Any]:
    """Describe a backend for a run's header: its info, or why there is none.

    `id` is the label that the backend was asked for by. If the adapter has another id, `adapter` is
    that id.
    """
    if isinstance(started, BackendUnavailable):
        return {"id": name, "unavailable": str(started)}
    if isinstance(started, BackendBroken):
        return {"id": name, "broken": str(started)}
    seconds = round(started.import_seconds, 3)
    info = describe_info(started.info)
    adapter = {} if name == started.name else {"adapter": started.name}
    return {**info, "id": name, **adapter, "import_seconds": seconds}


class BackendPool:
    """The workers of each backend, started when first needed, and one worker for the reference.

    `texts` are addresses, `names` their labels. The variables in `environment` are set for the
    backends' workers, but not for the reference, which answers for the contract. Raises
    UnknownBackend for an id that no distribution announces, and BadAddress for any other mistake.
    """

    def __init__(
        self,
        texts: Iterable[str],
        timeout: float,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.texts = list(texts)
        self.addresses = {address.label: address for address in parse_addresses(self.texts)}
        self.names = list(self.addresses)
        self._reference = self._worker(REFERENCE, timeout)
        self._clients = {
            (label, copy): self._worker(address, timeout, environment)
            for label, address in self.addresses.items()
            for copy in (*range(COPIES), FRESH)
        }
        self._problems: dict[str, BackendUnavailable | BackendBroken] = {}
        self._known = KnownAnswers()

    @staticmethod
    def _worker(
        name: str | Address, timeout: float, environment: Mapping[str, str] | None = None
    ) -> WorkerClient:
        return WorkerClient(name, timeout=timeout, environment=environment)

    def launch(self, crashing: Collection[str] = ()) -> None:
        """Begin to start the first workers, without waiting for them.

        A backend in `crashing`, which some cases are known to crash, gets a fork server instead:
        that imports the library once, and all of the backend's workers are forked from it.
        """
        for name in self.names[:AT_ONCE]:
            client = self._clients[name, 0]
            client.import_ahead() if name in crashing else client.launch()

    def start(self, crashing: Collection[str] = ()) -> None:
        """Start a worker of each backend, a few at once; remember why one cannot start.

        Workers that are already started stay, and a backend that could not start is not tried
        again. A backend in `crashing`, which some cases are known to crash, also gets a fork
        server, so that a dead worker is replaced without another import.
        """
        with ThreadPoolExecutor(AT_ONCE) as executor:
            try:
                list(executor.map(self._start, self.names))
            except BaseException:  # Ctrl-C, for example: do not wait for imports to finish.
                self.stop()
                raise
        for name in crashing:
            if name not in self._problems:  # Whether it survives a fork is known once it runs.
                self._clients[name, 0].start_fork_server()

    def _start(self, name: str) -> None:
        if name in self._problems:
            return
        try:
            _ = self._clients[name, 0].info
            self._clients[name, 0].keep_bytecode()
        except (BackendUnavailable, BackendBroken) as problem:
            self._problems[name] = problem

    def problem(self, name: str) -> BackendUnavailable | BackendBroken | None:
        """Return why a backend cannot run here; None if it can."""
        return self._problems.get(name)

    def info(self, name: str) -> BackendInfo:
        """Return the info of a backend that runs."""
        return self._clients[name, 0].info

    def runner(self, name: str, copy: int = 0) -> CaseRunner:
        """Return a runner for cases on a backend, in the first or another copy of its worker."""
        client = self._clients[name, copy]
        client.restart_if_short_of_room()
        return CaseRunner(client, self._reference, self._known)

    def fresh_runner(self, name: str) -> CaseRunner:
        """Return a runner for cases in a worker that has answered no request before."""
        client = self._clients[name, FRESH]
        client.restart()
        return CaseRunner(client, self._reference, self._known)

    def describe(self, name: str) -> Mapping[str, Any]:
        """Describe a backend for a run's header: its info, or why there is none."""
        return describe_backend(name, self.problem(name) or self._clients[name, 0])

    def origin(self, name: str) -> list[dict[str, Any]]:
        """Return `WorkerClient.origin` of a backend that runs."""
        return self._clients[name, 0].origin()

    def complaints(self) -> list[str]:
        """List the backends of which a worker was replaced as spoilt, with the first reason."""
        said: dict[str, list[str]] = {}
        for (name, _), client in self._clients.items():
            said.setdefault(name, []).extend(client.complaints)
        return [
            f"{name}: {lines[0]} ({len(lines)} in all)" for name, lines in said.items() if lines
        ]

    def stop(self) -> None:
        """Kill all workers for good, also in the middle of a request."""
        for client in self._all:
            client.stop()

    def close(self) -> None:
        """End all workers."""
        try:
            for client in self._all:  # First all hang up, so that they end side by side.
                client.hang_up()
            for client in self._all:
                client.close()
        except BaseException:
            self.stop()
            raise

    @property
    def _all(self) -> list[WorkerClient]:
        return [*self._clients.values(), self._reference]


@contextmanager
def started_pool(names: Iterable[str], timeout: float) -> Iterator[BackendPool]:
    """Give a started pool, and close it in any case."""
    pool = BackendPool(names, timeout)
    try:
        pool.start()
        yield pool
    except BaseException:
        pool.stop()
        raise
    finally:
        pool.close()
