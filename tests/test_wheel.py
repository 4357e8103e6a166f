"""The wheel contains specs, schemas and templates, and works outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from embcheck.conformance.records.run import read_runs

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the wheel and unpack it outside the checkout; return the folder."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    built = [*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(built, check=True, capture_output=True, cwd=folder)
    (wheel,) = folder.glob("embcheck-*.whl")
    unpacked = [*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)]
    subprocess.run(unpacked, check=True, capture_output=True, cwd=folder)
    return folder / "site"


def python(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the unpacked wheel first on the path."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=site.parent, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_suite_runs_from_the_wheel(site):
    """The suite runs from the wheel alone."""
    where = python(site, "-c", "import embcheck.specs; print(embcheck.specs.__file__)")
    assert where.stdout.startswith(str(site)), where.stderr
    main = "from embcheck.cli.main import main; main()"
    done = python(site, "-c", main, "run", "-b", "numpy-reference", "--out", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = read_runs(site.parent / "out")
    assert len(run.results) >= 150
    assert "failed" not in {result.outcome for result in run.results}


def test_the_report_is_made_from_the_wheel(site):
    """A report can be made from the wheel alone."""
    main = "from embcheck.cli.main import main; main()"
    python(site, "-c", main, "run", "-b", "numpy-reference", "-k", "lookup", "--out", "small")
    done = python(site, "-c", main, "report", "small", "--html", "report.html")
    assert done.returncode == 0, done.stderr
    assert "numpy-reference" in (site.parent / "report.html").read_text()
