"""A process that takes folders away once another has ended, however it ended.

Started as a file, `python -I -S janitor.py`, by `scratch`. It reads paths that end in NUL: `+PATH`
is to go with the process that writes them, `-PATH` is gone already.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

SECONDS = 10.0
"""Time for what still writes there to end."""


def main() -> None:
    """Read until the other side ends, and take away what is left."""
    # What ends the other process, such as Ctrl-C, must not end this one, which is to outlive it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left: dict[str, None] = {}
    pending = b""
    while chunk := os.read(0, 65536):  # Ends when no process has the other end any more.
        *orders, pending = (pending + chunk).split(b"\0")
        for order in map(os.fsdecode, orders):
            if order.startswith("+"):
                left[order[1:]] = None
            else:
                left.pop(order[1:], None)
    deadline = time.monotonic() + SECONDS
    while left and time.monotonic() < deadline:
        for path in list(left):
            shutil.rmtree(path, onerror=_allow)
            if not os.path.lexists(path):
                del left[path]
        time.sleep(0.05 if left else 0)


def _allow(function: Any, path: str, _: Any) -> None:
    """Try once more after a folder was closed to its owner; what stays is tried again later."""
    try:
        Path(path).parent.chmod(0o700)
        if not Path(path).is_symlink():
            Path(path).chmod(0o700)
        if function in (os.unlink, os.rmdir):
            function(path)
    except OSError:
        return


if __name__ == "__main__":
    main()
