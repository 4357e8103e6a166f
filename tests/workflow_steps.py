"""Run the steps of a workflow or a composite action in order, without GitHub's runner.

Steps that use an action are skipped, since there is no runner. Steps that install packages are
skipped too, unless `values` are given: the current environment already has them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands import environment

EXPRESSION = re.compile(r"\$\{\{ *([\w.-]+) *\}\}")
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
"""How GitHub runs a step with `shell: bash`; without a `shell` it does not set `pipefail`."""


@dataclass
class Job:
    """The results of the steps: exit codes, which were skipped and why, and what they wrote."""

    ran: dict[str, int] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)
    output: str = ""
    summary: str = ""
    outputs: str = ""

    @property
    def failed(self) -> list[str]:
        """The names of the steps that failed."""
        return [name for name, code in self.ran.items() if code]


def run_steps(
    steps: Sequence[Mapping[str, Any]],
    folder: Path,
    commands: Path,
    values: Mapping[str, str] | None = None,
    **around: str,
) -> Job:
    """Run the steps in a folder, with the folder `commands` first in the search path.

    `values` are the values of the expressions in the steps' `env`. If they are given, steps that
    install packages run too. `around` are further environment variables.
    """
    summary, outputs = folder.parent / "summary.md", folder.parent / "outputs"
    for path in (summary, outputs):
        path.write_text("")
    around = {
        **environment(),
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_WORKSPACE": str(folder),
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_OUTPUT": str(outputs),
        "GITHUB_RUN_ID": "1234",
        **around,
    }
    job = Job()
    for step in steps:
        name = step.get("name") or step["uses"]
        if "uses" in step:
            job.passed_over[name] = "uses an action"
        elif values is None and "pip install" in step["run"]:
            job.passed_over[name] = "installs"
        elif job.failed and step.get("if") != "always()":
            job.passed_over[name] = "a step before it failed"
        else:
            told = {key: _value(text, values or {}) for key, text in step.get("env", {}).items()}
            done = subprocess.run(
                [*BASH, step["run"]],
                cwd=folder, env={**around, **told}, capture_output=True, text=True,
                timeout=300, check=False,
            )  # fmt: skip
            job.ran[name] = done.returncode
            job.output += done.stdout + done.stderr
    job.summary, job.outputs = summary.read_text(), outputs.read_text()
    return job


def own_commands(folder: Path) -> Path:
    """Make a folder with a command `embcheck` that uses the current interpreter; return it."""
    return _made(folder, embcheck=f'exec "{sys.executable}" -m embcheck.cli "$@"')


def recording_commands(folder: Path, log: Path) -> Path:
    """Make commands `embcheck` and `python` that only append their arguments to a file.

    Each argument is a line; an empty line follows each call.
    """
    line = f"""printf '%s\\n' "${{0##*/}}" "$@" '' >> '{log}'"""
    return _made(folder, embcheck=line, python=line)


def _made(folder: Path, **scripts: str) -> Path:
    folder.mkdir()
    for name, script in scripts.items():
        command = folder / name
        command.write_text(f"#!/bin/bash\n{script}\n")
        command.chmod(0o755)
    return folder


def _value(text: str, values: Mapping[str, str]) -> str:
    return EXPRESSION.sub(lambda found: values[found[1]], text)
