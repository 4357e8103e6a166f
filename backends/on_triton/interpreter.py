"""Triton's kernels without a GPU: its interpreter runs them on the CPU, by NumPy.

`TRITON_INTERPRET=1` must stand in the environment before a kernel is made. The interpreter is for
debugging; it runs one program after the other, and reads and writes memory as the kernel says.
https://triton-lang.org/main/programming-guide/chapter-3/debugging.html
"""

from __future__ import annotations

import os

os.environ["TRITON_INTERPRET"] = "1"

# After the variable is set, since this import makes kernels.
from embcheck.backends.on_triton.calls import TritonCalls

_SETTING = 'import os\n\nos.environ["TRITON_INTERPRET"] = "1"\n\n'


def on_cpu() -> TritonCalls:
    """Make the backend `triton-interpreter`."""
    return TritonCalls("triton-interpreter", "cpu", _SETTING)
