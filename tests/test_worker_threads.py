"""A worker's report of its threads: pools, names, working threads and background CPU time."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from embcheck.conformance.execution.inside import threads
from embcheck.conformance.execution.inside.blocks import block_of, clock_costs


def test_the_pools_of_loaded_libraries_are_read_back():
    """The thread pools of loaded libraries are listed with their sizes."""
    np.ones((4, 4)) @ np.ones((4, 4))
    sizes = threads.pool_sizes()
    assert any(name.startswith("blas ") for name in sizes)
    assert all(size >= 1 for size in sizes.values())


def test_working_threads_are_those_that_did_a_twentieth():
    """Threads count as working if they used a twentieth of the CPU time, also new ones."""
    before = {"1": 10.0, "2": 5.0}
    after = {"1": 11.0, "2": 5.01, "3": 1.0, "4": 0.001}
    assert threads.working(before, after) == 2
    assert threads.working(before, before) is None


def test_a_thread_that_burns_is_seen_in_the_background():
    """CPU time of other threads is background time, that of the calling thread is not."""
    until = time.perf_counter() + 0.3
    begun = threads.background_seconds()
    while time.perf_counter() < until:
        pass
    assert threads.background_seconds() - begun < 0.1
    done = threading.Event()

    def burn():
        while not done.is_set():
            sum(range(1000))

    worker = threading.Thread(target=burn)
    worker.start()
    try:
        deadline = time.perf_counter() + 30
        while threads.background_seconds() - begun < 0.1:
            assert time.perf_counter() < deadline
            time.sleep(0.01)
    finally:
        done.set()
        worker.join()


def test_threads_are_read_from_the_kernels_folder(tmp_path):
    """Names and CPU seconds of threads are read from /proc; a thread that is gone has none."""
    for number, name, nanoseconds in (("7", "main", 2_500_000_000), ("8", "pool", 0)):
        (tmp_path / number).mkdir()
        (tmp_path / number / "comm").write_text(f"{name}\n")
        (tmp_path / number / "schedstat").write_text(f"{nanoseconds} 5 6\n")
    (tmp_path / "9").mkdir()
    assert threads.thread_seconds(tmp_path) == {"7": 2.5, "8": 0.0}
    assert threads.thread_names(tmp_path) == {"main": 1, "pool": 1, "?": 1}
    assert threads.thread_seconds(tmp_path / "none") == {}


@pytest.mark.parametrize("thunks", [1, 3])
def test_the_loop_costs_less_than_a_call(thunks):
    """A turn of the timing loop costs less than a microsecond."""
    timer, loop = clock_costs(thunks)
    assert timer > 0
    assert 0 < loop < 1e-6


@pytest.mark.parametrize("calls", [1, 2, 10, 11, 12, 25, 100])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("start", [0, 2])
def test_a_block_calls_its_thunks_in_turn(count, calls, start):
    """A block makes exactly its number of calls, in turn, from its start."""
    called = []
    thunks = [lambda number=number: called.append(number) or number for number in range(count)]
    seconds, answer = block_of(thunks, calls, start)()
    assert called == [(start + turn) % count for turn in range(calls)]
    assert answer == called[-1]
    assert seconds > 0
