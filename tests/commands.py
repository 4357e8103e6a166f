"""Call the `embcheck` and `pytest` commands the way a person does."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

from click.testing import CliRunner

from embcheck.cli.main import main

SMALL = Path(__file__).parent / "data" / "zoo" / "specs" / "small.yaml"
OTHERS = ("-p", "no:anyio", "-p", "no:hypothesispytest")
"""Plugins that happen to be installed here, and that take a third of the time of a small run."""


def embcheck(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `embcheck` with some arguments, in a process of its own."""
    return _run("from embcheck.cli.main import main; main()", arguments, cwd)


def embcheck_here(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `embcheck` with some arguments in this process, which has loaded the suite already.

    An exception that the command does not catch is raised.
    """
    before, wanted = dict(os.environ), environment()
    words = list(map(str, arguments))
    try:
        _replace_environment(wanted)
        with chdir(cwd or Path.cwd()):
            done = CliRunner().invoke(main, words)
    finally:
        _replace_environment(before)  # `run` sets variables for the pytest that it starts.
    if not isinstance(done.exception, SystemExit | None):
        raise done.exception
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def _replace_environment(wanted: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(wanted)


def pytest_command(
    *arguments: object, cwd: Path, with_others: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run `pytest` with some arguments, without the plugins in `OTHERS` unless `with_others`."""
    words = arguments if with_others else (*OTHERS, *arguments)
    return _run("import pytest, sys; sys.exit(pytest.main())", words, cwd)


def environment() -> dict[str, str]:
    """Return this environment without the variables of the pytest that runs these tests."""
    own = ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "COLUMNS")
    own += ("PYTEST_DISABLE_PLUGIN_AUTOLOAD",)  # `embcheck run` sets it in its own process.
    return {**{key: value for key, value in os.environ.items() if key not in own}, "COLUMNS": "80"}


def _run(
    code: str, arguments: tuple[object, ...], cwd: Path | None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=cwd,
        env=environment(),
    )
