"""Backends that touch what is not theirs: the results of the run, and what a listing prints."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from embcheck.conformance.contract.call import Call
from embcheck_zoo.base import Correct, is_trigger

VICTIM = "EMBCHECK_ZOO_VICTIM"
"""The environment variable with the folder that is taken away."""


class TakesAway(Correct):
    """Removes, moves or replaces a folder in the middle of a run, as EMBCHECK_ZOO_HOW says."""

    def answer(self, call: Call) -> Any:
        folder = Path(os.environ[VICTIM])
        if is_trigger(call) and folder.is_dir():
            how = os.environ["EMBCHECK_ZOO_HOW"]
            if how == "moves":
                folder.rename(folder.with_name("elsewhere"))
            else:
                shutil.rmtree(folder)
            if how == "puts a file there":
                folder.write_text("mine")
        return self.correct(call)


class HostileInfo(Correct):
    """Says of itself what a terminal would obey, and far too much."""

    def __init__(self) -> None:
        super().__init__()
        escape = "\x1b]0;owned\x07\x1b[2J\n\u202eINTERNALERROR"
        self.info = replace(
            self.info, library=escape, version=f"1.0{escape}", device="cpu" + "x" * 10**6
        )


def make_hostile_reason() -> Any:
    """Raise an ImportError whose message has lines, escapes and much more."""
    raise ImportError("no\x1b[31m library\nTraceback (most recent call last):\n" + "y" * 10**6)


def make_hostile_fault() -> Any:
    """Raise an error of a type and a message that do the same."""
    kind = type("Bad\x1b[2Jname\nline", (Exception,), {})
    raise kind("\x1b[31m\ud800 message\n" + "z" * 10**6)


def make_silent_end() -> Any:
    """End the process in the import, as if all were well."""
    sys.stdout.write("\x1b[2Jprinted\n" * 1000)
    sys.stdout.flush()
    os._exit(0)
