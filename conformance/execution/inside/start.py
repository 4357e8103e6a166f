"""Start a process that calls a backend: prepare it, and import the library."""

from __future__ import annotations

import os
from time import perf_counter

from embcheck.conformance.contract.backend import Backend
from embcheck.conformance.execution import discovery
from embcheck.conformance.execution.processor import confine_to_cores


def start(name: str) -> tuple[Backend, float]:
    """Set this process's cores and environment for a backend's library, and make the backend.

    Return the backend and the seconds that its import took. Raises what `discovery.create` raises,
    and whatever the adapter raises.
    """
    confine_to_cores()  # Before the import, when libraries make their thread pools.
    os.environ.update(discovery.declared_environment(name))
    started = perf_counter()
    backend = discovery.create(name)
    return backend, perf_counter() - started
