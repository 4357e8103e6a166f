"""The message and the exit code for a failure that no part of a command handles."""

from __future__ import annotations

import os
import sys
import traceback
from typing import NoReturn

import click

from embcheck.conformance.exit_codes import ExitCode
from embcheck.reports.untrusted import clean, one_line

TRACEBACK = "EMBCHECK_TRACEBACK"
"""The environment variable that asks for the traceback."""


def refuse(command: str, why: object) -> NoReturn:
    """Say on standard error why a subcommand cannot do what it was asked, and end the process."""
    click.echo(f"embcheck {command}: {why}", err=True)
    sys.exit(ExitCode.USAGE)


def tell_fault(error: BaseException) -> ExitCode:
    """Say in one line what went wrong; return the exit code.

    An error of the operating system, such as a full disk, is for the user to fix. Any other error
    is a fault of the harness.
    """
    if isinstance(error, OSError):
        code, said = ExitCode.USAGE, system_words(error)
    else:
        code = ExitCode.HARNESS
        kind, text = type(error).__name__, one_line(error, 500)
        said = f"a fault of the harness: {kind}{': ' * bool(text)}{text}"
    advice = "" if code is ExitCode.USAGE else _advice()
    click.echo(f"embcheck: {said}{advice}", err=True)
    if os.environ.get(TRACEBACK):
        click.echo(clean("".join(traceback.format_exception(error))), err=True)
    return code


def system_words(error: OSError) -> str:
    """Return the operating system's message, with the file that it is about."""
    place = f"{one_line(error.filename, 300)}: " if error.filename is not None else ""
    return f"{place}{one_line(error.strerror or error or type(error).__name__, 300)}"


def _advice() -> str:
    if os.environ.get(TRACEBACK):
        return "; please report it with this traceback:"
    return f"; please report it with the traceback that {TRACEBACK}=1 shows"


def tell_lost_output(error: OSError, code: ExitCode | int) -> int:
    """Say that standard output could not be written; return the resulting exit code."""
    said = error.strerror or str(error)
    print(f"embcheck: cannot write to standard output: {said}", file=sys.stderr)  # noqa: T201
    return code or ExitCode.USAGE
