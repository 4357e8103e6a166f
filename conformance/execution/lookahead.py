"""Backends work side by side: while one compiles, the others answer the cases that come next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from embcheck.conformance.execution.run_case import CaseResult
from embcheck.conformance.suite.model import Case

DEPTH = 200
"""How many cases a backend may be ahead of the one that is waited for."""

Pair = tuple[Case, str]


class Lookahead:
    """Runs (case, backend) pairs in their order, each backend in a thread of its own.

    `run` is called for each pair, never twice at once for the same backend.
    """

    def __init__(self, pairs: Sequence[Pair], run: Callable[[Case, str], CaseResult]) -> None:
        self._run = run
        self._stopped = threading.Event()
        self._results: dict[tuple[str, str], Future[CaseResult]] = {
            (case.id, backend): Future() for case, backend in pairs
        }
        self._room: dict[str, threading.Semaphore] = {}
        self._threads: list[threading.Thread] = []
        for backend in dict.fromkeys(backend for _, backend in pairs):
            self._room[backend] = threading.Semaphore(DEPTH)
            cases = [case for case, owner in pairs if owner == backend]
            thread = threading.Thread(target=self._work, args=(backend, cases), daemon=True)
            self._threads.append(thread)
            thread.start()

    def result(self, case: Case, backend: str) -> CaseResult:
        """Wait for what a case came to on a backend."""
        result = self._results[case.id, backend].result()
        self._room[backend].release()
        return result

    def stop(self) -> None:
        """Let each thread end with the case that it is at."""
        self._stopped.set()
        for room in self._room.values():
            room.release()

    def join(self) -> None:
        """Wait, a few seconds at most, for threads that were stopped."""
        for thread in self._threads:
            thread.join(timeout=5)

    def _work(self, backend: str, cases: Sequence[Case]) -> None:
        for case in cases:
            self._room[backend].acquire()
            if self._stopped.is_set():
                return
            future = self._results[case.id, backend]
            try:
                future.set_result(self._run(case, backend))
            except BaseException as error:  # noqa: BLE001  (raised again where it is waited for)
                future.set_exception(error)
