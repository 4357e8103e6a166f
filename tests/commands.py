"""Call the `embcheck` and `pytest` commands the way a person does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SMALL = Path(__file__).parent / "data" / "zoo" / "specs" / "small.yaml"


def embcheck(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `embcheck` with some arguments."""
    return _run("from embcheck.cli.main import main; main()", arguments, cwd)


def pytest_command(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `pytest` with some arguments."""
    return _run("import pytest, sys; sys.exit(pytest.main())", arguments, cwd)


def environment() -> dict[str, str]:
    """Return an environment in which no outer pytest is felt."""
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
