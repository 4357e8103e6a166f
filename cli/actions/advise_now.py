"""Run just the cases that decide a user's needs, for `embcheck advise --run-now`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from embcheck.cli.actions.bench_own import installed
from embcheck.conformance.exit_codes import ExitCode
from embcheck.conformance.suite.features import shipped_features
from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.reports.answers.compat_made import planned_of, uses_of
from embcheck.reports.answers.concern import Concern, Needs
from embcheck.reports.compat import CompatError, shipped
from embcheck.reports.units import plural


def deciding_cases(needs: Needs) -> list[str]:
    """Return the ids of the cases of the suite that decide a user's needs."""
    features = shipped_features()
    cases = [case for path in spec_files() for case in load_spec(path).cases]
    planned = planned_of(features.features, cases)
    data = replace(shipped(), uses=uses_of(features), contexts=planned.contexts)
    # With the contexts of the installed suite: those of the shipped data may be older.
    concern = Concern(data, needs)
    wanted = {
        name: {planned.contexts[name][place] for place in concern.places(name)}
        for name in (*needs.features, *needs.refused)
        if name in planned.contexts
    }
    return [
        case
        for case, words in planned.words.items()
        if any(words in wanted.get(name, ()) for name in planned.deciding[case])
    ]


@contextmanager
def asked_now(needs: Needs, backends: Sequence[str], out: Path | None) -> Iterator[Path]:
    """Run the deciding cases, and yield the folder of the results; raises CompatError.

    Without `backends`, all that are installed are asked. A fault of the harness ends the process.
    """
    cases = deciding_cases(needs)
    names = backends or installed()
    if not names:
        raise CompatError("no backend is installed here; name one with -b")
    click.echo(
        f"asking {plural(len(names), 'backend')} {plural(len(cases), 'case')} each", err=True
    )
    with ExitStack() as stack:
        folder = out or Path(stack.enter_context(TemporaryDirectory(prefix="embcheck-")))
        words = [
            *(word for name in names for word in ("-b", name)),
            *(word for case in cases for word in ("--case", case)),
            *("--out", str(folder)),
        ]
        command = [sys.executable, "-m", "embcheck.cli", "run", *words]
        # The run's summary is about other questions, so it is dropped. Its progress is on stderr.
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # noqa: S603
        if done.returncode not in (ExitCode.CONFORMS, ExitCode.DEPARTS):
            click.echo("embcheck advise: the cases could not be run", err=True)
            sys.exit(done.returncode)
        yield folder
