"""Write the distribution of a new backend, with an adapter that runs as it is, or a CI job."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from embcheck.conformance.execution.discovery import known_backends
from embcheck.conformance.scaffold.job import Job, render
from embcheck.conformance.scaffold.names import BadName, Names
from embcheck.conformance.scaffold.origin import home, is_local, requirement

_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "package.py": "{package}/__init__.py",
    "adapter.py": "{package}/adapter.py",
    "deviations.yaml": "{package}/deviations/{backend}.yaml",
    "test_adapter.py": "tests/test_adapter.py",
    "test_suite.py": "tests/test_suite.py",
}
"""The templates, without `.jinja`, and the paths of their files in the distribution."""

_WORKFLOW = ".github/workflows/embcheck.yml"


class AlreadyThere(Exception):
    """A file or folder would be overwritten; the message names it."""


def write_distribution(name: str, out: Path, required: str) -> Path:
    """Write the distribution of a new backend into a new folder in `out`, and return the folder.

    `required` is its requirement of embcheck. Raise BadName for a name that is not valid or already
    used, AlreadyThere if the folder exists, or OSError.
    """
    names = Names.of(name)
    if name in known_backends():
        raise BadName(f"there is a backend '{name}' already: choose another name")
    folder = out / names.distribution
    if folder.exists():
        raise AlreadyThere(f"{folder} is there already, and nothing in it was changed")
    out.mkdir(parents=True, exist_ok=True)
    # In a temporary folder next to its place, so that it can be moved there as a whole.
    with TemporaryDirectory(prefix=f".{names.distribution}-", dir=out) as unfinished:
        whole = Path(unfinished, names.distribution)
        texts = {
            place.format(package=names.package, backend=names.backend): text_of(
                template, names, required
            )
            for template, place in _FILES.items()
        }
        texts[_WORKFLOW] = Job((".",), ("-b", name, "--quick"), tests=True).workflow()
        for place, text in texts.items():
            path = whole / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        whole.rename(folder)
    return folder


def text_of(template: str, names: Names, required: str | None = None) -> str:
    """Return the text of one file, made from its template."""
    required = required or requirement()
    return render(
        template,
        names=names,
        requirement=json.dumps(required),
        home=home(required),
        local=is_local(required),
    )


def write_job(folder: Path, job: Job) -> list[Path]:
    """Add a workflow and a nox session to a repository, and return the two files.

    If there is a `noxfile.py`, it stays as it is, and the session goes to `embcheck_nox.py`. Raise
    AlreadyThere, before anything is written, if one of the files exists, or OSError.
    """
    workflow = folder / _WORKFLOW
    nox = folder / "noxfile.py"
    if nox.exists():
        nox = folder / "embcheck_nox.py"
    # Both are checked before either is written.
    for path in (workflow, nox):
        if path.exists():
            raise AlreadyThere(f"{path} is there already, and nothing was changed; move it away")
    workflow.parent.mkdir(parents=True, exist_ok=True)
    workflow.write_text(job.workflow(), "utf-8")
    nox.write_text(job.noxfile(), "utf-8")
    return [workflow, nox]
