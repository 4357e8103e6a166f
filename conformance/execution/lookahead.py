"""Run backends side by side: while one compiles, the others answer the next cases."""

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
"""How many cases a backend's first worker may be ahead of the results that were taken."""
PATIENCE_SECONDS = 5.0
"""After this time, a backend that still has much to do gets a second worker, if a core is free."""
LOOK_SECONDS = 1.0
FREE_SHARE = 0.4
"""A second worker starts only if at least this share of a core was idle over LOOK_SECONDS. A
backend and the harness wait for each other, so two backends leave about a quarter of two cores
idle."""
MANY_CASES = 40
LONG_SECONDS = 8.0
"""A second worker starts only if the cases left take this long at the speed so far, since it has to
import the library again."""
JOIN_SECONDS = 0.5
COPIES = 2
PAUSE_SECONDS = 0.01

Pair = tuple[Case, str]
RunCase = Callable[[Case, str, int], CaseResult]


class Lookahead:
    """A run of (case, backend) pairs ahead of time, each backend in threads of its own.

    `run(case, backend, copy)` is called once for each pair, and never twice at once for the same
    backend and copy. Copy 0 takes the cases in order. Copy 1, for a backend that takes long, is a
    second worker that takes them from the end.
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
        """Wait for the result of a case on a backend; each result can be taken once."""
        future = self._results[case.id, backend]
        # It polls, since waking up for each result would interrupt the threads that make them.
        while not future.done():
            time.sleep(PAUSE_SECONDS)
        try:
            result = future.result()
        finally:
            # Also for a case that raised: otherwise its place would stay taken.
            self._room[backend].release()
        del self._results[case.id, backend]  # Frees its arrays before the run ends.
        return result

    def stop(self) -> None:
        """Let each thread end after its current case."""
        self._stopped.set()
        for room in self._room.values():  # Wakes threads that wait for room.
            room.release()

    def join(self) -> None:
        """Wait, for JOIN_SECONDS at most, for threads that were stopped."""
        deadline = time.monotonic() + JOIN_SECONDS
        for thread in self._threads:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))

    def _is_worth_a_copy(self, backend: str) -> bool:
        """Wait until a core is free for a second worker; False if few cases are left by then.

        One backend measures at a time, or several would count on the same core. A backend whose
        first worker is idle, because it may go no further ahead, needs no second one.
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
        # Neighbouring cases share exports. Taken from the end, each is made by one worker.
        take = waiting.pop if copy else waiting.popleft
        while waiting:
            if not copy:  # The second takes the last cases, which need no room.
                self._room[backend].acquire()
            if self._stopped.is_set():
                return
            try:
                case = take()
            except IndexError:  # The other worker has taken the last one.
                return
            future = self._results[case.id, backend]
            self._at_work.add((backend, copy))
            try:
                future.set_result(self._run(case, backend, copy))
            except BaseException as error:  # noqa: BLE001  (raised again where it is waited for)
                future.set_exception(error)
            self._at_work.discard((backend, copy))


def free_cores(stopped: threading.Event) -> float:
    """Return how many cores were idle over LOOK_SECONDS, or until `stopped` is set."""
    started, idle = time.monotonic(), psutil.cpu_times().idle
    stopped.wait(LOOK_SECONDS)
    return float((psutil.cpu_times().idle - idle) / max(time.monotonic() - started, 1e-3))
