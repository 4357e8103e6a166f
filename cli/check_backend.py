"""`embcheck check-backend`: check that an adapter is sound."""

from __future__ import annotations

import click

from embcheck.cli.shared_options import json_option


@click.command("check-backend")
@click.argument("backend", metavar="[LABEL=]ID[:PYTHON]")
@json_option
@click.option(
    "--timeout", default=60.0, metavar="SECONDS", show_default=True, help="Time for one call."
)
@click.option(
    "--cpu-seconds",
    default=45.0,
    metavar="SECONDS",
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Processor time for all; a slow library is asked fewer questions.",
)
def check_backend(backend: str, as_json: bool, timeout: float, cpu_seconds: float) -> None:
    """Check that an adapter is sound, before the suite judges its library. One line a check.

    FAIL: the adapter is broken, and how to correct it. WARN: a person should look. INFO: the suite
    will judge this. Exit codes: 0 nothing failed, 1 something failed, 2 usage or unavailable.
    """
    from embcheck.cli.actions.check_backend import check_backend as act  # noqa: PLC0415  (--help stays quick)

    act(backend, as_json, timeout, cpu_seconds)
