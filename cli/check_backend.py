"""`embcheck check-backend`: check that an adapter is sound."""

from __future__ import annotations

import json
import sys

import click


@click.command("check-backend")
@click.argument("backend", metavar="[LABEL=]ID[:PYTHON]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
@click.option(
    "--timeout", default=60.0, metavar="SECONDS", show_default=True, help="Time for one call."
)
def check_backend(backend: str, as_json: bool, timeout: float) -> None:
    """Check that an adapter is sound, before the suite judges its library. One line a check.

    FAIL: the adapter is broken, and how to correct it. WARN: a person should look. INFO: the suite
    will judge this. Exit codes: 0 nothing failed, 1 something failed, 2 usage or unavailable.
    """
    from embcheck.conformance.execution.address import BadAddress  # noqa: PLC0415  (--help stays
    from embcheck.conformance.execution.client import BackendUnavailable  # noqa: PLC0415  quick)
    from embcheck.conformance.execution.discovery import UnknownBackend  # noqa: PLC0415
    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415
    from embcheck.conformance.smoke.finding import CheckResult, lines  # noqa: PLC0415
    from embcheck.conformance.smoke.session import smoke_test  # noqa: PLC0415
    from embcheck.reports.untrusted import one_line  # noqa: PLC0415

    def told(check: list[CheckResult]) -> None:
        for line in lines(check) if not as_json else ():
            click.echo(one_line(line, 500))

    try:
        test = smoke_test(backend, timeout, told)
    except (BadAddress, UnknownBackend, BackendUnavailable) as error:
        click.echo(f"embcheck check-backend: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    if as_json:
        click.echo(json.dumps(test.to_json_data(), indent=2))
    sys.exit(test.exit_code)
