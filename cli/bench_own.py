"""The options of `embcheck bench` for a user's own table and indices."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from embcheck.conformance.timing.workloads.own import Sources

_OPTIONS = (
    click.option(
        "--table",
        metavar="FILE[:NAME]",
        help="Your own table: .safetensors:TENSOR, .npy, .npz:ARRAY or .parquet:COLUMN.",
    ),
    click.option("--trace", metavar="FILE[:NAME]", help="Your own indices, one or two dimensions."),
    click.option("--offsets", metavar="FILE[:NAME]", help="Where each bag of the trace begins."),
    click.option("--weights", metavar="FILE[:NAME]", help="A weight for each index, for sums."),
    click.option(
        "--mode",
        type=click.Choice(["sum", "mean", "max"]),
        help="How bags are reduced. If left out: mean with offsets, a plain lookup without.",
    ),
    click.option(
        "--batch",
        type=click.IntRange(min=1),
        metavar="N",
        help="Cut the trace into calls of N indices or bags, up to 8, timed in turn.",
    ),
)


def own_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a user's own workload."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


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
    from embcheck.conformance.timing.workloads.own import Sources  # noqa: PLC0415  (imports NumPy)

    return Sources(**given)


def installed_backends(sources: Sources | None) -> tuple[str, ...]:
    """Name the backends that run here, and print why others do not; for a user's own table only."""
    if sources is None:
        raise click.UsageError("name a backend: -b BACKEND")
    from embcheck.conformance.execution.client import (  # noqa: PLC0415  (imports NumPy)
        BackendBroken,
        BackendUnavailable,
        WorkerClient,
    )
    from embcheck.conformance.execution.discovery import known_backends  # noqa: PLC0415

    def ask(name: str) -> str | None:
        client = WorkerClient(name)
        try:
            _ = client.info
        except (BackendUnavailable, BackendBroken) as reason:
            return " ".join(str(reason).split())[:200]
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
