"""Badges: what a backend supports, as the JSON that shields.io draws.

See https://shields.io/badges/endpoint-badge.
"""

from __future__ import annotations

import json
import re
from typing import Any

from embcheck.reports.compat import Column, Compat, CompatError
from embcheck.reports.units import plural

MANY_SILENT = 0.25
"""A badge is red if more than this share of the features fails silently."""
_FILE_NAME = re.compile(r"[A-Za-z0-9][\w@.+-]*")


def badge(column: Column) -> dict[str, Any]:
    """Return the badge of a backend: how many features have the answer `yes`, of those asked.

    The colour tells how many of them fail silently: none (green), some (orange), or more than a
    quarter (red). It is grey if a feature is unknown, or its clauses changed since the run.
    """
    found = [answer for name, answer in column.features.items() if name not in column.stale]
    yes = sum(answer.support == "yes" for answer in found)
    silent = sum(answer.how == "silently" for answer in found)
    asked = len(column.features)
    # A stale answer is the answer to another question, so it counts as unknown.
    unknown = sum(answer.support == "unknown" for answer in found) + asked - len(found)
    message = f"{yes} of {plural(asked, 'feature')}"
    if silent:
        message += f", {silent} wrong silently"
    if unknown:
        message += f", {unknown} unknown"
    return {
        "schemaVersion": 1,
        "label": f"{column.id} {column.version}",
        "message": message,
        "color": _color(asked, silent, unknown),
    }


def badge_text(column: Column) -> str:
    """Return the badge of a backend as a text, which is the same for the same data."""
    return json.dumps(badge(column), ensure_ascii=False) + "\n"


def badge_files(data: Compat) -> dict[str, str]:
    """Return the badges of all backends, by the names of their files.

    Raises CompatError if a backend's name cannot be a file name.
    """
    # The data may be a stranger's file: a name such as `../x` would leave the folder.
    for name in data.backends:
        if not _FILE_NAME.fullmatch(name):
            raise CompatError(f"the backend {name!r} cannot be the name of a file")
    return {f"{name}.json": badge_text(column) for name, column in data.backends.items()}


def _color(asked: int, silent: int, unknown: int) -> str:
    if unknown or not asked:
        return "lightgrey"
    if not silent:
        return "brightgreen"
    return "orange" if silent <= MANY_SILENT * asked else "red"
