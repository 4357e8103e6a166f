"""A fake worker that sends the bytes that a test gives it; it imports no library and starts fast.

`WorkerClient` starts it in place of a worker. A test gives the bytes of one or more lives: each
start of the process uses the next one. A life is a list: its first part is sent at once, and each
further part in reply to a request. `None` ends the process with exit code 3.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from embcheck.backends.reference.numpy_reference import NumpyReference
from embcheck.conformance.execution.address import Address
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.execution.protocol.messages import describe_info
from embcheck.conformance.execution.protocol.wire import end_of, head_of
from embcheck.conformance.records.environment import embcheck_version

NAME = "fake"
_PROGRAM = """\
#!{python} -IS
import json, os, struct, sys
folder = os.path.dirname(__file__)
read_fd, write_fd = int(sys.argv[-2]), int(sys.argv[-1])
with open(folder + "/lives", "a+") as lives:
    lives.write("x")
    lives.seek(0)
    life = len(lives.read()) - 1
words = json.load(open(folder + "/words"))
words = words[min(life, len(words) - 1)]
os.write(write_fd, bytes.fromhex(words[0]))
requests = os.fdopen(read_fd, "rb")
for said in words[1:]:
    (length,) = struct.unpack("<q", requests.read(8))
    requests.read(length)
    if said is None:
        os._exit(3)
    os.write(write_fd, bytes.fromhex(said))
requests.read()
"""

INFO = replace(NumpyReference().info, id=NAME, threads=1, instructions="avx2", survives_fork=False)


def said(number: int, header: dict[str, Any] | bytes, arrays: Any = None) -> bytes:
    """Return the bytes of a reply, with its end marker; a header given as bytes is sent as is."""
    if isinstance(header, bytes):
        return len(header).to_bytes(8, "little") + header + end_of(number)
    arrays = {} if arrays is None else arrays
    head = head_of({**header, "number": number}, arrays)
    return b"".join([head, *(np.asarray(a).tobytes() for a in arrays.values()), end_of(number)])


def hello(**changed: Any) -> dict[str, Any]:
    """Return the header of a hello with some fields changed; a field given as `...` is left out."""
    told = {
        "status": "ready",
        "embcheck": embcheck_version(),
        "info": describe_info(INFO),
        "import_seconds": 0.5,
        **changed,
    }
    return {key: value for key, value in told.items() if value is not ...}


def right(number: int) -> bytes:
    """Return a valid reply to the request `source`."""
    return said(number, {"status": "answered", "sha256": "0"})


GOOD = [said(0, hello()), *(right(number) for number in range(1, 10))]
"""A life of valid replies."""


def fake(folder: Path, *lives: list[bytes | None], timeout: float = 5.0) -> WorkerClient:
    """Return a client whose workers have these lives in turn; later starts repeat the last one."""
    program = folder / "python"
    program.write_text(_PROGRAM.format(python=sys.executable), "utf-8")
    program.chmod(0o755)
    words = [[part if part is None else part.hex() for part in life] for life in lives]
    (folder / "words").write_text(json.dumps(words), "utf-8")
    own = {"TMPDIR": str(folder)}  # The worker may write only here, and counts its starts here.
    return WorkerClient(Address(NAME, NAME, str(program)), timeout=timeout, environment=own)


def lives_of(folder: Path) -> int:
    """Count the workers that were started."""
    return len((folder / "lives").read_text("utf-8"))
