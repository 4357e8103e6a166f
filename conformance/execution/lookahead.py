"""Backends work side by side: while one compiles, the others answer the cases that come next."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import psutil

from embcheck.conformance.execution.run_case import CaseResult
from embcheck.conformance.suite.model import Case

DEPTH = 400
"""How many cases a backend's first worker may be ahead of the one that is waited for."""
PATIENCE_SECONDS = 5.0
"""After this time, a backend that still has much to do gets a second worker, if a core is free."""
LOOK_SECONDS = 1.0
FREE_SHARE = 0.4
"""The share of a core, over one look, that nothing on the machine uses. A backend and the harness
wait for each other, so that two backends leave about a quarter of two cores idle."""
MANY_CASES = 40
LONG_SECONDS = 8.0
"""The least work left, at the speed so far, for which a second worker imports the library again."""
JOIN_SECONDS = 0.5
COPIES = 2
PAUSE_SECONDS = 0.01

Pair = tuple[Case, str]
RunCase = Callable[[Case, str, int], CaseResult]


class Lookahead:
    """Runs (case, backend) pairs, each backend in threads of its own, the first in their order.

    `run(case, backend, copy)` is called once for each pair, and never twice at once for the same
    backend and copy; copy 1 is a second worker for a backend that takes long.
    """

    def __init__(self, pairs: Sequence[Pair], run: RunCase) -> None:
        self._run = run
        self._stopped = threading.Event()
        self._results: dict[tuple[str, str], Future[CaseResult]] = {
            (case.id, backend): Future() for case, backend in pairs
        }
        self._waiting: dict[str, deque[Case]] = {backend: deque() for _, backend in pairs}
        for case, backend in pairs:
            self._waiting[backend].append(case)
        self._room = {backend: threading.Semaphore(DEPTH) for backend in self._waiting}
        self._at_work: set[tuple[str, int]] = set()
        self._looking = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, args=(backend, copy), daemon=True)
            for backend in self._waiting
            for copy in range(COPIES)
        ]
        for thread in self._threads:
            thread.start()

    def result(self, case: Case, backend: str) -> CaseResult:
        """Wait for what a case came to on a backend."""
        future = self._results[case.id, backend]
        # To be woken for each result would interrupt the threads that make them each time.
        while not future.done():
            time.sleep(PAUSE_SECONDS)
        try:
            result = future.result()
        finally:
            # Also for a case that raised: its place would be taken for good, until none is left.
            self._room[backend].release()
        del self._results[case.id, backend]  # Its arrays are not kept until the run's end.
        return result

    def stop(self) -> None:
        """Let each thread end with the case that it is at."""
        self._stopped.set()
        for room in self._room.values():  # A thread that waits for room has to notice it.
            room.release()

    def join(self) -> None:
        """Wait, for a moment at most, for threads that were stopped."""
        deadline = time.monotonic() + JOIN_SECONDS
        for thread in self._threads:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))

    def _is_worth_a_copy(self, backend: str) -> bool:
        """Wait until a core is free for a second worker; False if there is little left by then.

        One backend looks at a time, or all would take the same core. One that may go no further
        ahead needs no help.
        """
        waiting, pause = self._waiting[backend], PATIENCE_SECONDS
        all_of_them, started = len(waiting), time.monotonic()
        while len(waiting) >= MANY_CASES and not self._stopped.wait(pause):
            pause, done = LOOK_SECONDS, all_of_them - len(waiting)
            if len(waiting) * (time.monotonic() - started) / max(done, 1) < LONG_SECONDS:
                continue
            with self._looking:
                if (backend, 0) in self._at_work and free_cores(self._stopped) >= FREE_SHARE:
                    return len(waiting) >= MANY_CASES
        return False

    def _work(self, backend: str, copy: int) -> None:
        waiting = self._waiting[backend]
        if copy and not self._is_worth_a_copy(backend):
            return
        # The second worker begins at the end: neighbours share exports, which are made once then.
        take = waiting.pop if copy else waiting.popleft
        while waiting:
            if not copy:  # The second worker is never ahead: it begins with what is last.
                self._room[backend].acquire()
            if self._stopped.is_set():
                return
            try:
                case = take()
            except IndexError:  # The other worker has just taken the last one.
                return
            future = self._results[case.id, backend]
            self._at_work.add((backend, copy))
            try:
                future.set_result(self._run(case, backend, copy))
            except BaseException as error:  # noqa: BLE001  (raised again where it is waited for)
                future.set_exception(error)
            self._at_work.discard((backend, copy))


def free_cores(stopped: threading.Event) -> float:
    """Return how many cores nothing used while one looked, unless it is stopped meanwhile."""
    started, idle = time.monotonic(), psutil.cpu_times().idle
    stopped.wait(LOOK_SECONDS)
    return float((psutil.cpu_times().idle - idle) / max(time.monotonic() - started, 1e-3))
