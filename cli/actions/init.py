"""What `embcheck init` does; the command itself is in `cli/init.py`."""

from __future__ import annotations

import shlex
import tomllib
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path

import click

from embcheck.cli.actions.new_backend import LOCAL
from embcheck.cli.faults import refuse
from embcheck.conformance.execution.discovery import (
    UnknownBackend,
    check_known,
    extra_that_brings,
    own_backends,
)
from embcheck.conformance.scaffold.distribution import AlreadyThere, write_job
from embcheck.conformance.scaffold.job import ACCEPTED, OUT, Job
from embcheck.conformance.scaffold.origin import BadOrigin, is_local, requirement
from embcheck.reports.compat import shipped


@dataclass(frozen=True)
class InitChoices:
    """Which backends to run and how, and what to install."""

    backends: tuple[str, ...]
    where: str | None
    install: tuple[str, ...]
    run_options: str


class BadProject(Exception):
    """The repository's own files cannot be read; the message says where and why."""


def init(folder: Path, asked: InitChoices) -> None:
    """Add a workflow of GitHub Actions, and a session of nox, to a repository."""
    try:
        check_known(list(asked.backends))
        required = requirement(asked.where, extras_of(asked.backends))
        itself = (".",) if _is_installable(folder) else ()
        run = [word for name in asked.backends for word in ("-b", name)]
        run += shlex.split(asked.run_options)
        written = write_job(folder, Job((required, *itself, *asked.install), tuple(run)))
    except UnknownBackend as error:
        refuse("init", f"{error}; if it is your own, install its package first")
    except (AlreadyThere, BadOrigin, BadProject) as error:
        refuse("init", error)
    except ValueError as error:  # An unclosed quotation mark.
        refuse("init", f"--run-options: {error}")
    except OSError as error:
        refuse("init", f"cannot write to {folder}: {error.strerror}")
    if is_local(required):
        click.echo(f"embcheck init: {LOCAL} by --embcheck", err=True)
    # If the repository has a noxfile of its own, the session is in another file, named by -f.
    nox = written[-1]
    file = [] if nox.name == "noxfile.py" else ["-f", nox.name]
    click.echo(f"{shlex.join(['nox', *file, '-s', 'embcheck', '--', 'accept'])}  # runs, accepts")
    click.echo(f"git add {ACCEPTED}  # and ignore {OUT}/")
    click.echo("\n".join(map(str, written)))


def _is_installable(folder: Path) -> bool:
    """Whether pip can install a folder: it declares a project or a build, or has a setup.py."""
    project = folder / "pyproject.toml"
    try:
        told = tomllib.loads(project.read_text("utf-8")) if project.exists() else {}
    except ValueError as error:  # Text that is not UTF-8 raises one too.
        raise BadProject(f"{project}: {error}") from None
    return not told.keys().isdisjoint({"project", "build-system"}) or (folder / "setup.py").exists()


def extras_of(backends: tuple[str, ...]) -> tuple[str, ...]:
    """Return the extras of embcheck that install the libraries of its own backends."""
    known = set(metadata("embcheck").get_all("Provides-Extra") or ())
    # The data names each backend's library without importing it.
    columns = shipped().backends
    found = set()
    for backend in set(backends).intersection(own_backends()):
        name = backend.partition("@")[0]
        library = columns[name].library if name in columns else name.partition("-")[0]
        # Some backends need more than their library: an extra of their own name.
        extra = name if name in known else extra_that_brings(library, name)
        found |= {extra} if extra else set()
    return tuple(sorted(found))
