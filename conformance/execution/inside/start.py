"""The start of a process that asks a backend: before its library is imported, and that import."""

from __future__ import annotations

import os
from time import perf_counter

from embcheck.conformance.contract.backend import Backend
from embcheck.conformance.execution import discovery
from embcheck.conformance.execution.processor import confine_to_cores


def start(name: str) -> tuple[Backend, float]:
    """Give this process what a backend's library reads of it, and make the backend.

    Returns the backend and the seconds that its import took. Raises what `discovery.create` raises,
    and whatever the adapter does.
    """
    confine_to_cores()  # Before the import, in which libraries make their pools of threads.
    os.environ.update(discovery.declared_environment(name))
    started = perf_counter()
    backend = discovery.create(name)
    return backend, perf_counter() - started
