"""`embcheck check-backend`: tell a broken adapter from a library that is not compliant."""

from __future__ import annotations

import click


@click.command("check-backend")
@click.argument("backend", metavar="[LABEL=]ID[:PYTHON]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
@click.option(
    "--timeout", default=60.0, metavar="SECONDS", show_default=True, help="Time for one call."
)
def check_backend(backend: str, as_json: bool, timeout: float) -> None:
    """Check an adapter before its library is judged: one line a check.

    FAIL says that the adapter is broken and what to do; WARN, that somebody should look; INFO, what
    the suite will judge. Exit codes: 0 nothing failed, 1 something did, 2 usage or unavailable.
    """
    from embcheck.cli.actions.check_backend import check_backend as act  # noqa: PLC0415  (--help stays quick)

    act(backend, as_json, timeout)
