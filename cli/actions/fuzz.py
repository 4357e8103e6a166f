"""What `embcheck fuzz` does; the command itself is in `cli/fuzz.py`."""

from __future__ import annotations

import json
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from embcheck.cli.actions import INTERRUPTED
from embcheck.conformance.execution.client import BackendBroken, BackendUnavailable
from embcheck.conformance.execution.discovery import UnknownBackend
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.fuzzing.duel import Tally
from embcheck.conformance.fuzzing.hunt import Budget
from embcheck.conformance.fuzzing.session import Session, Settings
from embcheck.reports.fuzzing import print_fuzzing
from embcheck.reports.untrusted import clean


def fuzz(
    backends: tuple[str, ...],
    seconds: float | None,
    examples: int | None,
    seed: int,
    out: Path,
    timeout: float,
) -> None:
    """Look for departures from the NumPy reference in generated calls."""
    settings = Settings(seed, Budget(examples, seconds), timeout, out)
    with _progress(examples) as told:
        session = Session(settings, told)
        code = _run(session, backends)
    if session.hunted:
        _show(session)
    sys.exit(code)


def _run(session: Session, backends: tuple[str, ...]) -> int:
    """Run the session; return the exit code, and print on stderr what stopped it."""
    try:
        session.run(backends)
    except (UnknownBackend, BackendUnavailable, OSError) as error:
        click.echo(f"embcheck: {clean(error)}", err=True)
        return ExitCode.USAGE
    except BackendBroken as error:
        click.echo(f"embcheck: {clean(error)}", err=True)
        return ExitCode.HARNESS
    except KeyboardInterrupt:
        click.echo("embcheck: interrupted; the findings so far are written", err=True)
        return INTERRUPTED
    except Exception:  # noqa: BLE001  (whatever it is, it is ours)
        click.echo(f"embcheck: a fault of the harness\n{clean(traceback.format_exc())}", err=True)
        return ExitCode.HARNESS
    return session.exit_code


@contextmanager
def _progress(examples: int | None) -> Iterator[Callable[[str, Tally, int], None]]:
    """Show progress on stderr, if that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with bar, _noticed_interrupts() as interrupted:
        task = bar.add_task("fuzzing", total=examples)

        def told(backend: str, tally: Tally, findings: int) -> None:
            if interrupted:
                raise KeyboardInterrupt
            calls = sum(tally.endings.values())
            what = f"{backend}: {tally.examples} examples, {calls} calls, {findings} findings"
            bar.update(task, description=what, completed=tally.examples)

        yield told


@contextmanager
def _noticed_interrupts() -> Iterator[list[int]]:
    """Give a list that grows with each Ctrl-C, because the exception itself can be lost.

    Hypothesis hooks into the garbage collector, and Python ignores an exception that is raised
    there and prints its traceback. That traceback is suppressed, since the list has the event.
    """
    came: list[int] = []

    def notice(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    def tell(ignored: sys.UnraisableHookArgs) -> None:
        if ignored.exc_type is not KeyboardInterrupt:
            told_before(ignored)

    before, told_before = signal.signal(signal.SIGINT, notice), sys.unraisablehook
    sys.unraisablehook = tell
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = told_before


def _show(session: Session) -> None:
    """Write the findings, and print the summary and the path."""
    file = session.write()
    print_fuzzing(json.loads(file.read_text("utf-8")), Console(highlight=False))
    click.echo(file)
