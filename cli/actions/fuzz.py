"""What `embcheck fuzz` does; the command itself is in `cli/fuzz.py`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
from rich.console import Console

from embcheck.cli.actions import INTERRUPTED
from embcheck.cli.faults import system_words, tell_fault
from embcheck.cli.progress import Progressed
from embcheck.conformance.execution.absence import NoneAvailable
from embcheck.conformance.execution.address import BadAddress
from embcheck.conformance.execution.client import BackendBroken
from embcheck.conformance.execution.discovery import UnknownBackend
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.fuzzing.duel import Tally
from embcheck.conformance.fuzzing.hunt import FuzzBudget
from embcheck.conformance.fuzzing.session import FuzzSettings, Session
from embcheck.conformance.records.claim import InUse, claimed
from embcheck.reports.terminal.backends import none_text
from embcheck.reports.terminal.fuzzing import print_fuzzing
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
    settings = FuzzSettings(seed, FuzzBudget(examples, seconds), timeout, out)
    with ExitStack() as claim:
        try:
            if out.is_dir():
                claim.enter_context(claimed(out))
        except (InUse, OSError) as error:
            sys.exit(_told(error))
        with _progress(examples) as told:
            session = Session(settings, told)
            code = _run(session, backends)
        # Also after an interruption: what was found so far is worth keeping.
        if session.hunted:
            code = _show(session, code)
    sys.exit(code)


def _told(error: Exception) -> ExitCode:
    said = system_words(error) if isinstance(error, OSError) else clean(error)
    click.echo(f"embcheck: {said}", err=True)
    return ExitCode.USAGE


def _run(session: Session, backends: tuple[str, ...]) -> int:
    """Run the session; return the exit code, and print on stderr what stopped it."""
    try:
        session.run(backends)
    except NoneAvailable as absence:
        click.echo(none_text(absence.reasons), err=True)
        return ExitCode.USAGE
    except (BadAddress, UnknownBackend, InUse, OSError) as error:
        return _told(error)
    except BackendBroken as error:
        click.echo(f"embcheck: {clean(error)}", err=True)
        return ExitCode.HARNESS
    except KeyboardInterrupt:
        click.echo("embcheck: interrupted; the findings so far are written", err=True)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  (any other error is a fault of the harness)
        return tell_fault(error)
    return session.exit_code


@contextmanager
def _progress(examples: int | None) -> Iterator[Callable[[str, Tally, int], None]]:
    """Show progress on stderr."""
    with Progressed("examples", examples) as progress, _noticed_interrupts() as interrupted:

        def told(backend: str, tally: Tally, findings: int) -> None:
            # The exception itself may have been lost: see `_noticed_interrupts`.
            if interrupted:
                raise KeyboardInterrupt
            calls = sum(tally.endings.values())
            progress.tell(tally.examples, f"{backend}: {calls:,} calls, {findings} findings")

        yield told


@contextmanager
def _noticed_interrupts() -> Iterator[list[int]]:
    """Yield a list that grows with each Ctrl-C, because the exception itself can be lost.

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


def _show(session: Session, code: int) -> int:
    """Write the findings, and print the summary and the path; return the exit code.

    If they cannot be written, the summary is printed all the same.
    """
    print_fuzzing(session.describe(), Console(highlight=False))
    try:
        click.echo(session.write())
    except OSError as error:
        return code or _told(error)
    return code
