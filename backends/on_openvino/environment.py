"""What OpenVINO reads when it is imported: whether to report that to its makers.

It would fork a process to do so, from a thread, while the import goes on.
"""

from __future__ import annotations

from pathlib import Path


def environment(cache: Path) -> dict[str, str]:
    """Have OpenVINO report nothing, as on machines of continuous integration."""
    del cache
    return {"CI": "true"}
