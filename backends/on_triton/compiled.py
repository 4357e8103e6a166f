"""Triton's kernels, compiled for a GPU of NVIDIA.

A kernel that reads beyond the table gets what lies there, or an illegal memory access, after which
the process can use the GPU no more.
https://triton-lang.org/main/python-api/generated/triton.language.load.html
"""

from __future__ import annotations

import os

from embcheck.backends.on_torch.device import require_cuda
from embcheck.backends.on_triton.calls import TritonCalls
from embcheck.conformance.contract.backend import Unavailable


def on_cuda() -> TritonCalls:
    """Make the backend `triton@cuda`; raises Unavailable without a CUDA device."""
    require_cuda()
    if os.environ.get("TRITON_INTERPRET") == "1":
        raise Unavailable("TRITON_INTERPRET=1 has kernels interpreted rather than compiled")
    return TritonCalls("triton@cuda", "cuda")
