"""A user's own table and indices for `embcheck bench`, and the backends to time on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from embcheck.cli.bench_own import check_whole
from embcheck.conformance.execution.client import BackendBroken, BackendUnavailable, WorkerClient
from embcheck.conformance.execution.discovery import known_backends
from embcheck.conformance.execution.introductions import introductions
from embcheck.conformance.timing.clock.lanes import is_named, spellings_of
from embcheck.conformance.timing.clock.workers import DEFINITION
from embcheck.conformance.timing.workloads.load import Workload
from embcheck.conformance.timing.workloads.own import Sources, own_workload
from embcheck.conformance.timing.workloads.own_files import BadInput
from embcheck.conformance.timing.workloads.traces import make_inputs
from embcheck.reports.terminal.backends import absent_lines
from embcheck.reports.untrusted import one_line


def own_sources(own: Mapping[str, Any], ids: Sequence[str]) -> Sources | None:
    """Return a user's own table and indices, or None.

    Raises UsageError if one of them is missing, or if a workload is named too.
    """
    given = {name: value for name, value in own.items() if value is not None}
    if not given:
        return None
    check_whole([*given])
    if ids:
        raise click.UsageError("--table is a workload of its own: leave --workload out")
    return Sources(**given)


def read_own(sources: Sources) -> Workload:
    """Make a workload of a user's arrays, and print what it is; raise BadInput."""
    workload = own_workload(sources)
    click.echo(f"{workload.id}: {one_line(workload.title, 300)}")
    return workload


def check_spelling(name: str, backends: Sequence[str], workload: Workload) -> None:
    """Raise BadInput, with the known spellings of a user's own call, if no backend has this one."""
    # The spellings may depend on the call, so backends are asked about this one.
    call = make_inputs(workload, workload.profiles["quick"], 1).call(0)
    known: dict[str, list[str]] = {}
    for backend in backends:
        client = WorkerClient(backend)
        try:
            known[backend] = spellings_of(client, call)
        except (BackendUnavailable, BackendBroken):
            known[backend] = []  # The reason is reported when the backend should be timed.
        finally:
            client.close()
    if any(is_named(one, name) for found in known.values() for one in found):
        return
    listed = [f"{backend}: {one_line(one)}" for backend, found in known.items() for one in found]
    if not listed:
        raise BadInput("no backend has another spelling of this call", "leave --spelling out")
    raise BadInput(f"no backend has a spelling '{name}'", "\n  ".join(["give one of", *listed]))


def installed_backends(sources: Sources | None) -> tuple[str, ...]:
    """Return the backends that run here, for a user's own table; print why others do not run.

    The reference, which judges and is slow, is not among them. Raises UsageError without a table.
    """
    if sources is None:
        raise click.UsageError("name a backend: -b BACKEND")
    return installed()


def installed() -> tuple[str, ...]:
    """Return the backends that run here, except the reference; print why others do not run."""
    names = sorted(set(known_backends()) - {DEFINITION})
    found = [one.backend for one in introductions(names)]
    for line in absent_lines(found):
        click.echo(f"left out: {line}", err=True)
    return tuple(str(entry["id"]) for entry in found if "library" in entry)
