"""Write a distribution with one adapter that runs at once."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from jinja2 import Environment, PackageLoader, StrictUndefined
from packaging.version import Version

from embcheck.conformance.execution.discovery import known_backends
from embcheck.conformance.scaffold.names import BadName, Names

_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "package.py": "{package}/__init__.py",
    "adapter.py": "{package}/adapter.py",
    "deviations.yaml": "{package}/deviations/{backend}.yaml",
    "test_adapter.py": "tests/test_adapter.py",
}
"""Templates, without their ending, and where their files go."""


class AlreadyThere(Exception):
    """A folder that would be overwritten."""


def write_distribution(name: str, out: Path) -> Path:
    """Write the distribution of a new backend into a folder of its own below `out`; return that.

    Raises BadName for a name that no backend can have or that one has, AlreadyThere, or OSError.
    """
    names = Names.of(name)
    if name in known_backends():
        raise BadName(f"there is a backend '{name}' already: choose another name")
    folder = out / names.distribution
    if folder.exists():
        raise AlreadyThere(f"{folder} is there already, and nothing in it was changed")
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{names.distribution}-", dir=out) as unfinished:
        whole = Path(unfinished, names.distribution)
        for template, place in _FILES.items():
            path = whole / place.format(package=names.package, backend=names.backend)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render(template, names), "utf-8")
        whole.rename(folder)
    return folder


def render(template: str, names: Names) -> str:
    """Return the text of one file."""
    environment = Environment(
        loader=PackageLoader("embcheck.conformance.scaffold", "templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  (Python, TOML and Markdown of names that were checked)
    )
    own = Version(version("embcheck"))
    values = {"names": names, "version": own.public, "next_version": next_version(own)}
    return environment.get_template(f"{template}.jinja").render(values)


def next_version(own: Version) -> str:
    """Return the first version that may be incompatible with this one."""
    return f"{own.major + 1}" if own.major else f"0.{own.minor + 1}"
