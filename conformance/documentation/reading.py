"""Read the docstrings of an installed torch, in another process or from a file."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 300
FORMAT = 1


class ReadingError(Exception):
    """The docstrings cannot be read; the message says why, and what to do."""


@dataclass(frozen=True)
class Parameter:
    """A parameter and its default as text; None if it has no default."""

    name: str
    default: str | None


@dataclass(frozen=True)
class Documented:
    """An object with a docstring; `signature` is empty if Python does not know it."""

    object: str
    docstring: str
    signature: tuple[Parameter, ...] = ()


@dataclass(frozen=True)
class Documentation:
    """The documented objects of one version of torch."""

    torch: str
    objects: tuple[Documented, ...]


def read_installed(python: str) -> Documentation:
    """Read the docstrings of the torch that is installed for a Python interpreter.

    embcheck need not be installed there. Raise ReadingError if there is no such interpreter, or it
    cannot import torch.
    """
    # In another process, since the harness must not import torch, and the Python may be another.
    with as_file(files("embcheck.backends.on_torch") / "documentation.py") as script:
        try:
            done = subprocess.run(  # noqa: S603  (an interpreter that the user names)
                [python, str(script)],
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT_SECONDS,
            )
        except OSError as error:
            raise ReadingError(
                f"cannot run {python}: {error.strerror}; name a Python interpreter"
            ) from None
        except subprocess.TimeoutExpired:
            raise ReadingError(f"{python} took over {TIMEOUT_SECONDS} s to import torch") from None
    if done.returncode:
        # The last line of a traceback has the exception.
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ReadingError(
            f"{python} cannot read torch's documentation: {why}; install torch there "
            "(pip install 'embcheck[torch]'), or name an interpreter that has it by --python"
        )
    # The last line, since a library may print warnings when it is imported.
    return parse(done.stdout.splitlines()[-1], python)


def read_file(path: Path) -> Documentation:
    """Read docstrings from a file with the output of `backends/on_torch/documentation.py`.

    Raise ReadingError if it cannot be read, or has something else.
    """
    try:
        return parse(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise ReadingError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ReadingError(f"{path} is not UTF-8 text") from None


def parse(text: str, origin: str) -> Documentation:
    """Read docstrings from JSON. Raise ReadingError for anything else."""
    try:
        tree = json.loads(text)
        if tree["format"] != FORMAT:
            raise ReadingError(f"{origin}: format {tree['format']} is not known, {FORMAT} is")
        return Documentation(str(tree["torch"]), tuple(_documented(o) for o in tree["objects"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ReadingError(
            f"{origin}: these are not docstrings; print some by backends/on_torch/documentation.py"
        ) from None


def _documented(tree: Mapping[str, Any]) -> Documented:
    signature = tuple(Parameter(p["name"], p["default"]) for p in tree["signature"])
    return Documented(str(tree["object"]), str(tree["docstring"]), signature)
