"""The variable that OpenVINO reads when it is imported: whether to report that to its makers.

To report, it would fork a process from a thread while the import goes on.
"""

from __future__ import annotations

from pathlib import Path


def environment(cache: Path) -> dict[str, str]:
    """Return the variable that makes OpenVINO report nothing, as in continuous integration."""
    del cache
    return {"CI": "true"}
