"""Other ways in which PyTorch users gather rows.

The comment in each spelling says what it does with an index out of range.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  (its name everywhere)

from embcheck.backends.on_torch.calls import Answer, target_of
from embcheck.backends.on_torch.device import blocking
from embcheck.conformance.contract.call import Call, Observation, Operation


def spellings(call: Call, device: str) -> dict[str, Callable[[], Answer]]:
    """Return a thunk for each other spelling of a plain lookup or sum of bags; none otherwise."""
    if call.observe != (Observation.OUTPUT,):
        return {}
    if call.operation is Operation.EMBEDDING and not _chosen(call):
        return _lookups(call, device)
    if call.operation is Operation.EMBEDDING_BAG and _chosen(call) == {"mode": "sum"}:
        return _sums(call, device)
    return {}


def _chosen(call: Call) -> dict[str, Any]:
    return {name: value for name, value in call.options.items() if value not in (None, False)}


def _lookups(call: Call, device: str) -> dict[str, Callable[[], Answer]]:
    tensors = target_of(call, device).tensors
    weight, indices = tensors["weight"], tensors["indices"]
    found = {"weight[indices]  # raises, negative ones count from the end": lambda: weight[indices]}
    # `index_select` documents that it takes 1-D indices.
    if indices.ndim == 1:
        found["torch.index_select(weight, 0, indices)  # raises"] = lambda: torch.index_select(
            weight, 0, indices
        )
    return {name: _thunk(run, device) for name, run in found.items()}


def _sums(call: Call, device: str) -> dict[str, Callable[[], Answer]]:
    tensors = target_of(call, device).tensors
    weight, indices = tensors["weight"], tensors["indices"]
    if indices.ndim != 2 or "per_sample_weights" in tensors:
        return {}
    found = {
        "F.embedding(indices, weight).sum(1)  # raises": lambda: F.embedding(indices, weight).sum(1)
    }
    return {name: _thunk(run, device) for name, run in found.items()}


def _thunk(run: Callable[[], Any], device: str) -> Callable[[], Answer]:
    return blocking(lambda: ({"output": run()}, {}), device)
