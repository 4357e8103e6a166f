"""A job of CI that runs the suite, and compares with what was accepted."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

ACCEPTED = ".embcheck/accepted.jsonl"
"""Where a repository keeps what was accepted, unless another place is named."""
ARTIFACT = "embcheck"
"""What the job calls the files that it uploads."""
OUT = "embcheck-out"
"""Where the job writes a run. A folder whose name begins with a dot would not be uploaded."""
PINS = {
    "checkout": "actions/checkout@8e8c483db84b4bee98b60c0593521ed34d9990e8  # v6.0.1",
    "python": "actions/setup-python@a309ff8b426b58ec0e2a45f0f869d46889d02405  # v6.2.0",
    "upload": "actions/upload-artifact@b7c566a772e6b6bfb58ed0dc250532a479d7789f  # v6.0.0",
}
"""GitHub's own actions, by commit: a tag can be moved to other code."""


@dataclass(frozen=True)
class Job:
    """What the job installs, in pip's words, and the words of `embcheck run`.

    `tests` says that the repository is a backend's, with tests of its own.
    """

    install: tuple[str, ...]
    run: tuple[str, ...]
    tests: bool = False

    def workflow(self) -> str:
        """Return a workflow of GitHub Actions."""
        return render(
            "workflow.yml",
            pins=PINS,
            artifact=ARTIFACT,
            install=shlex.join(["python", "-m", "pip", "install", *self.install]),
            run=shlex.join(["embcheck", "run", *self.run]),
            tests=self.tests,
        )

    def noxfile(self) -> str:
        """Return a file for nox, with one session."""
        return render("noxfile.py", installed=_listed(self.install), words=_listed(self.run))


def render(template: str, **values: Any) -> str:
    """Return the text of one file."""
    environment = Environment(
        loader=PackageLoader("embcheck.conformance.scaffold", "templates"),
        # A misspelt name in a template is an error, and no empty text.
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  (Python, TOML, YAML and Markdown of checked names)
    )
    return environment.get_template(f"{template}.jinja").render(
        accepted=ACCEPTED, out=OUT, **values
    )


def _listed(words: tuple[str, ...]) -> str:
    """Return words as a list of Python's."""
    return f"[{', '.join(map(json.dumps, words))}]"
