"""What `embcheck check-backend` does; the command itself is in `cli/check_backend.py`."""

from __future__ import annotations

import json
import sys
import textwrap
from functools import partial

import click

from embcheck.cli.faults import refuse
from embcheck.cli.progress import Progressed
from embcheck.conformance.execution.address import BadAddress
from embcheck.conformance.execution.client import BackendUnavailable
from embcheck.conformance.execution.discovery import UnknownBackend
from embcheck.conformance.smoke.finding import CheckResult, blocks
from embcheck.conformance.smoke.session import smoke_test
from embcheck.reports.untrusted import one_line

WIDTH = 80
LONGEST = 500
"""The most characters of a sentence."""


def check_backend(backend: str, as_json: bool, timeout: float, cpu_seconds: float) -> None:
    """Check an adapter before its library is judged; print what each check finds at once."""

    def told(check: list[CheckResult]) -> None:
        with progress.aside():
            for block in blocks(check) if not as_json else ():
                click.echo(_wrapped(block))
        progress.advance()

    try:
        with Progressed("checks") as progress:
            begins = partial(progress.tell, None)
            test = smoke_test(backend, timeout, told, begins=begins, cpu_seconds=cpu_seconds)
    except (BadAddress, UnknownBackend, BackendUnavailable) as error:
        refuse("check-backend", error)
    if as_json:
        click.echo(json.dumps(test.to_json_data(), indent=2))
    sys.exit(test.exit_code)


def _wrapped(block: list[str]) -> str:
    """Return what was found, and below it what to do, in lines that fit a terminal."""
    head, *advice = [one_line(text, LONGEST) for text in block]
    lines = _fitting(head, "", " " * 6)
    for text in advice:
        lines += _fitting(text, "      -> ", " " * 9)
    return "\n".join(lines)


def _fitting(text: str, first: str, other: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=other, break_on_hyphens=False
    )
