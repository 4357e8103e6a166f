"""What `embcheck check-backend` does; the command itself is in `cli/check_backend.py`."""

from __future__ import annotations

import json
import sys
import textwrap
import threading
import time
from types import TracebackType
from typing import Self

import click

from embcheck.conformance.execution.address import BadAddress
from embcheck.conformance.execution.client import BackendUnavailable
from embcheck.conformance.execution.discovery import UnknownBackend
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.smoke.finding import CheckResult, blocks
from embcheck.conformance.smoke.session import smoke_test
from embcheck.reports.untrusted import one_line

WIDTH = 80
EVERY_SECONDS = 10.0
"""Between two signs of life of one check."""
LONGEST = 500
"""Characters of a sentence."""


def check_backend(backend: str, as_json: bool, timeout: float, cpu_seconds: float) -> None:
    """Check an adapter before its library is judged: what each check found, as soon as it did."""

    def told(check: list[CheckResult]) -> None:
        for block in blocks(check) if not as_json else ():
            signs.clear()
            click.echo(_wrapped(block))

    with _Signs() as signs:
        try:
            test = smoke_test(backend, timeout, told, begins=signs.begins, cpu_seconds=cpu_seconds)
        except (BadAddress, UnknownBackend, BackendUnavailable) as error:
            signs.clear()
            click.echo(f"embcheck check-backend: {error}", err=True)
            sys.exit(ExitCode.USAGE)
        signs.clear()
    if as_json:
        click.echo(json.dumps(test.to_json_data(), indent=2))
    sys.exit(test.exit_code)


def _wrapped(block: list[str]) -> str:
    """Write what was found, and below what to do, in lines that fit a terminal."""
    head, *advice = [one_line(text, LONGEST) for text in block]
    lines = _fitting(head, "", " " * 6)
    for text in advice:
        lines += _fitting(text, "      -> ", " " * 9)
    return "\n".join(lines)


def _fitting(text: str, first: str, other: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=other, break_on_hyphens=False
    )


class _Signs:
    """Says on stderr which check is at work: at once on a terminal, else every ten seconds."""

    def __init__(self) -> None:
        self._check, self._began = "", time.monotonic()
        self._is_terminal = sys.stderr.isatty()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def begins(self, check: str) -> None:
        """Take note of a check that begins."""
        self._check = check
        if self._is_terminal:
            self._say("")

    def clear(self) -> None:
        """Take away what was said, where that can be done."""
        if self._is_terminal:
            click.echo("\r\x1b[K", nl=False, err=True)

    def _go_on(self) -> None:
        while not self._is_over.wait(EVERY_SECONDS):
            self._say(f", {time.monotonic() - self._began:.0f} s since the start")

    def _say(self, when: str) -> None:
        self.clear()
        click.echo(f"... at {self._check}{when}", nl=not self._is_terminal, err=True)
