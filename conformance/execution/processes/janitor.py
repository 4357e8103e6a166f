"""A process, the janitor, that deletes folders once another process has ended in any way.

`scratch` starts it as a file, `python -I -S janitor.py`. It reads paths that end in NUL: `+PATH` is
to be deleted when the process that writes the paths ends, `-PATH` is deleted already.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

SECONDS = 10.0
"""How long to retry while processes that still write there end."""


def main() -> None:
    """Read paths until the other process ends, then delete what is left."""
    # A signal that ends the other process, such as Ctrl-C, must not end this one too.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left: dict[str, None] = {}
    pending = b""
    while chunk := os.read(0, 65536):  # Ends when no process has the other end open.
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
    """Make a path and its folder accessible and retry; what stays is tried again later."""
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
