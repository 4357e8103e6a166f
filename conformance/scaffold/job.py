"""Make a CI job that runs the suite and compares the results with accepted ones."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

ACCEPTED = ".embcheck/accepted.jsonl"
"""The default place of the accepted results in a repository."""
ARTIFACT = "embcheck"
"""The name of the artifact that the job uploads."""
OUT = "embcheck-out"
"""The folder to which the job writes a run; one that begins with a dot would not be uploaded."""
PINS = {
    "checkout": "actions/checkout@8e8c483db84b4bee98b60c0593521ed34d9990e8  # v6.0.1",
    "python": "actions/setup-python@a309ff8b426b58ec0e2a45f0f869d46889d02405  # v6.2.0",
    "upload": "actions/upload-artifact@b7c566a772e6b6bfb58ed0dc250532a479d7789f  # v6.0.0",
}
"""GitHub's own actions, by commit: a tag can be moved to other code."""


@dataclass(frozen=True)
class Job:
    """A CI job.

    `install` are the arguments of `pip install`, `run` those of `embcheck run`. `tests` says
    whether the repository is that of a backend, with tests of its own.
    """

    install: tuple[str, ...]
    run: tuple[str, ...]
    tests: bool = False

    def workflow(self) -> str:
        """Return the text of a workflow for GitHub Actions."""
        return render(
            "workflow.yml",
            pins=PINS,
            artifact=ARTIFACT,
            install=shlex.join(["python", "-m", "pip", "install", *self.install]),
            run=shlex.join(["embcheck", "run", *self.run]),
            tests=self.tests,
        )

    def noxfile(self) -> str:
        """Return the text of a noxfile with one session."""
        return render("noxfile.py", installed=_listed(self.install), words=_listed(self.run))


def render(template: str, **values: Any) -> str:
    """Return the text of a template, with these values."""
    environment = Environment(
        loader=PackageLoader("embcheck.conformance.scaffold", "templates"),
        # So that a misspelt name in a template is an error instead of empty text.
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  (Python, TOML, YAML and Markdown of checked names)
    )
    return environment.get_template(f"{template}.jinja").render(
        accepted=ACCEPTED, out=OUT, **values
    )


def _listed(words: tuple[str, ...]) -> str:
    """Return words as the source of a Python list."""
    return f"[{', '.join(map(json.dumps, words))}]"
