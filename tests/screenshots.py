"""Take the screenshots of a report for the documentation: `python tests/screenshots.py RUN`.

RUN is the folder of a run, for example one of `nox -s matrix`. The pictures are written to docs/.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from browser import chromium, in_scheme, phone, settle

from embcheck.conformance.records.run import read_runs
from embcheck.reports.page.html import write_html

DOCS = Path(__file__).parent.parent / "docs"
FOLD = """document.querySelector('.scores tr.family button').click();
document.getElementById('scores').scrollIntoView();"""
CELL = "document.querySelectorAll('#cells tr[data-row]')[1].cells[21].click();"
PICTURES = (
    ("report-1280-light", "light", False, "#profile=token-lookup", ""),
    ("report-1280-dark", "dark", False, "#matrix", ""),
    ("report-390-light", "light", True, "#overview", FOLD),
    ("report-390-dark", "dark", True, "#matrix", CELL),
)
"""Each picture: name, colour scheme, whether on a phone, fragment of the address, script to run."""
WIDE = {"width": 1280, "height": 960, "deviceScaleFactor": 1, "mobile": False}


def take(run: Path, folder: Path = DOCS) -> list[Path]:
    """Write screenshots of a run's report into a folder; return their paths."""
    taken = []
    with tempfile.TemporaryDirectory() as place, chromium(Path(place) / "profile") as window:
        report = Path(place) / "report.html"
        write_html(list(read_runs(run)), report)
        for name, scheme, is_phone, address, before in PICTURES:
            window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", WIDE)
            with in_scheme(window, scheme), phone(window) if is_phone else nullcontext():
                taken.append(folder / f"{name}.png")
                _take(window, report.as_uri() + address, before, taken[-1])
    return taken


def _take(window: Any, address: str, before: str, path: Path) -> None:
    window.get("about:blank")
    window.get(address)
    window.execute_async_script(
        "const done = arguments[0], shown = document.getElementById('shown');"
        "const look = () => shown.textContent ? done() : setTimeout(look, 50); look();"
    )
    settle(window)
    window.execute_script(before)
    settle(window)
    window.save_screenshot(str(path))


if __name__ == "__main__":
    for written in take(Path(sys.argv[1])):
        print(f"{written}: {written.stat().st_size:,} bytes")
