"""What it takes to show a record: CPU seconds, memory, and the size of the page.

    python tests/large_record.py out/matrix/results.jsonl out/large    # 200,000 results
    python benchmarks/report_cost.py out/large

Runs `embcheck report`, `diff`, `triage` and `merge` on the record, each in a process of its own.
CPU seconds stand beside those of the clock, since a busy machine adds to the latter only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMANDS = {
    "report": ("report", "{record}", "--html", "{out}/report.html"),
    "diff": ("diff", "{record}", "{record}"),
    "triage": ("triage", "{record}", "--out", "{out}/triage"),
    "merge": ("merge", "{record}", "--out", "{out}/merged"),
}


def measure(command: list[str]) -> tuple[float, float, float]:
    """Run a command and return its seconds by the clock, its CPU seconds, and its peak in MB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 1}:
        raise SystemExit(f"{' '.join(command)} ended with code {process.returncode}")
    seconds = time.perf_counter() - start
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Measure each command once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("record", type=Path)
    record = parser.parse_args().record
    print(f"{'':8} {'clock':>8} {'CPU':>8} {'peak':>9}")
    with tempfile.TemporaryDirectory() as out:
        for name, parts in COMMANDS.items():
            arguments = [part.format(record=record, out=out) for part in parts]
            took, cpu, peak = measure([sys.executable, "-m", "embcheck.cli", *arguments])
            print(f"{name:8} {took:6.1f} s {cpu:6.1f} s {peak:6.0f} MB")
        print(f"the page has {(Path(out) / 'report.html').stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
