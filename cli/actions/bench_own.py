"""A user's own table and indices for `embcheck bench`, and the backends to time on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from embcheck.conformance.execution.client import BackendBroken, BackendUnavailable, WorkerClient
from embcheck.conformance.execution.discovery import known_backends
from embcheck.conformance.timing.workloads.own import Sources
from embcheck.reports.untrusted import one_line


def own_sources(own: Mapping[str, Any], ids: Sequence[str]) -> Sources | None:
    """Return a user's own table and indices, or None.

    Raises UsageError for one without the other, and for both beside a workload.
    """
    given = {name: value for name, value in own.items() if value is not None}
    if not given:
        return None
    for name in ("table", "trace"):
        if name not in given:
            raise click.UsageError(f"--{next(iter(given))} also needs --{name}")
    if ids:
        raise click.UsageError("--table is a workload of its own: leave --workload out")
    return Sources(**given)


def installed_backends(sources: Sources | None) -> tuple[str, ...]:
    """Name the backends that run here, and print why others do not; for a user's own table only."""
    if sources is None:
        raise click.UsageError("name a backend: -b BACKEND")
    return installed()


def installed() -> tuple[str, ...]:
    """Name the backends that run here, the reference first, and print why others do not."""

    def ask(name: str) -> str | None:
        client = WorkerClient(name)
        try:
            _ = client.info
        except (BackendUnavailable, BackendBroken) as reason:
            return one_line(reason)
        finally:
            client.close()
        return None

    names = sorted(known_backends(), key=lambda name: (name != "numpy-reference", name))
    with ThreadPoolExecutor(2) as pool:
        reasons = dict(zip(names, pool.map(ask, names), strict=True))
    for name, reason in reasons.items():
        if reason is not None:
            click.echo(f"left out: {name}: {reason}", err=True)
    return tuple(name for name, reason in reasons.items() if reason is None)
