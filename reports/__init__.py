"""Finished runs become tables, HTML and Markdown.

from embcheck import reports
outcomes = reports.load("out/compare").outcomes()
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embcheck.reports.frames import Loaded


def load(*folders: str | PathLike[str]) -> Loaded:
    """Read runs, each a folder or its results.jsonl; `outcomes` and `timings` are pandas frames.

    Raises RecordError, with the line, for an invalid record.
    """
    from embcheck.conformance.records.run import read_runs  # noqa: PLC0415  (imports stay quick)
    from embcheck.reports.frames import Loaded  # noqa: PLC0415

    return Loaded(run for folder in folders for run in read_runs(Path(folder)))
