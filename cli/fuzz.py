"""`embcheck fuzz`: generated calls, each backend beside the NumPy reference."""

from __future__ import annotations

import json
import signal
import sys
import traceback
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from embcheck.conformance.fuzzing.duel import Tally
    from embcheck.conformance.fuzzing.session import Session

INTERRUPTED = 130
"""What a shell reports for a process that Ctrl-C ended: 128 + SIGINT."""
DEFAULT_EXAMPLES = 1000


@click.command()
@click.option("-b", "--backend", "backends", multiple=True, required=True, metavar="BACKEND")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time for each backend. A finding that is being shrunk at the end is still written.",
)
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Calls to generate for each backend; {DEFAULT_EXAMPLES} unless --seconds is given.",
)
@click.option("--seed", default=0, show_default=True, help="Random seed for the calls.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out/fuzz"),
    show_default=True,
    metavar="DIR",
    help="Write findings.json here, and each finding as a spec that `embcheck run` reproduces.",
)
@click.option(
    "--timeout", default=30.0, metavar="SECONDS", show_default=True, help="Time for one call."
)
def fuzz(
    backends: tuple[str, ...],
    seconds: float | None,
    examples: int | None,
    seed: int,
    out: Path,
    timeout: float,
) -> None:
    """Look for departures from the NumPy reference in generated calls.

    Departures are shrunk, grouped by cause, compared with the known deviations, and written as
    specs. Exit codes: 0 no new finding; 1 a new finding; 2 a usage error; 3 a fault of the harness
    or of an adapter.
    """
    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415

    if find_spec("hypothesis") is None:
        click.echo('embcheck: hypothesis is not installed: pip install "embcheck[fuzz]"', err=True)
        sys.exit(ExitCode.USAGE)
    from embcheck.conformance.fuzzing.hunt import Budget  # noqa: PLC0415  (imports Hypothesis)
    from embcheck.conformance.fuzzing.session import Session, Settings  # noqa: PLC0415

    if examples is None and seconds is None:
        examples = DEFAULT_EXAMPLES
    settings = Settings(seed, Budget(examples, seconds), timeout, out)
    with _progress(examples) as told:
        session = Session(settings, told)
        code = _run(session, backends)
    if session.hunted:
        _show(session)
    sys.exit(code)


def _run(session: Session, backends: tuple[str, ...]) -> int:
    """Run the session; return the exit code, and print on stderr what stopped it."""
    from embcheck.conformance.execution.client import (  # noqa: PLC0415  (imports NumPy)
        BackendBroken,
        BackendUnavailable,
    )
    from embcheck.conformance.execution.discovery import UnknownBackend  # noqa: PLC0415
    from embcheck.conformance.exit_codes import ExitCode  # noqa: PLC0415
    from embcheck.reports.untrusted import clean  # noqa: PLC0415

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
    from rich.console import Console  # noqa: PLC0415  (the help needs no rich)
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

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
    from rich.console import Console  # noqa: PLC0415

    from embcheck.reports.fuzzing import print_fuzzing  # noqa: PLC0415

    file = session.write()
    print_fuzzing(json.loads(file.read_text("utf-8")), Console(highlight=False))
    click.echo(file)
