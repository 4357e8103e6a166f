"""What `embcheck check-backend` does; the command itself is in `cli/check_backend.py`."""

from __future__ import annotations

import json
import sys

import click

from embcheck.conformance.execution.address import BadAddress
from embcheck.conformance.execution.client import BackendUnavailable
from embcheck.conformance.execution.discovery import UnknownBackend
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.smoke.finding import CheckResult, lines
from embcheck.conformance.smoke.session import smoke_test
from embcheck.reports.untrusted import one_line


def check_backend(backend: str, as_json: bool, timeout: float) -> None:
    """Check an adapter before its library is judged: one line a check."""

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
