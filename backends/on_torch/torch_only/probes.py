"""Finds the probe that a call names, and converts its answers to NumPy.

The option `probe: modules/state-keys` names the function `state_keys` in `modules.py`. A probe does
what its docstring says through PyTorch's own API, and returns its answers by observation name:
tensors, numbers, flags, lists of them, or text (under a name that ends in `_text`).

A module of probes that need more than PyTorch has a function `lacking`, which says what is missing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch

from embcheck.backends.on_torch.names import to_array, to_tensor
from embcheck.conformance.contract.backend import Unsupported, inputs_after
from embcheck.conformance.contract.call import Call

THEMES = "embcheck.backends.on_torch.torch_only"
Answers = Mapping[str, Any]


@dataclass(frozen=True)
class ProbeQuestion:
    """The input of a probe: the call's tensors, on the backend's device, and its options."""

    tensors: dict[str, torch.Tensor]
    options: dict[str, Any]
    device: str


def prepare(call: Call, device: str) -> Callable[[], tuple[Answers, dict[str, torch.Tensor]]]:
    """Return the probe as a thunk; raise Unsupported if it does not exist or cannot run."""
    options = dict(call.options)
    name = options.pop("probe", "")
    probe = _find(name)
    tensors = {key: to_tensor(array).to(device) for key, array in call.inputs.items()}
    return lambda: (probe(ProbeQuestion(tensors, options, device)), tensors)


def to_numpy(answers: Answers, found: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Convert answers to arrays, text to its UTF-8 bytes."""
    after = inputs_after({name: to_array(tensor) for name, tensor in found.items()})
    return {**after, **{name: _array(answer) for name, answer in answers.items()}}


def _find(name: str) -> Callable[[ProbeQuestion], Answers]:
    theme, _, function = name.partition("/")
    try:
        module = import_module(f"{THEMES}.{theme}")
        probe: Callable[[ProbeQuestion], Answers] = getattr(module, function.replace("-", "_"))
    except (ImportError, AttributeError):
        # The probe belongs to a newer suite, or its theme needs what this torch lacks.
        raise Unsupported(f"there is no probe '{name}'") from None
    reason = module.lacking() if hasattr(module, "lacking") else None
    if reason is not None:
        raise Unsupported(reason)
    return probe


def with_warnings(run: Callable[[], Any]) -> tuple[Any, str]:
    """Run something; return what it returns, and its warnings as lines of text.

    The place in PyTorch's own source, which some messages end with, is left out.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run()
    said = (f"{warning.category.__name__}: {warning.message}" for warning in caught)
    return result, "\n".join(line.partition(" (Triggered internally")[0] for line in said)


def _array(answer: Any) -> np.ndarray:
    if isinstance(answer, torch.Tensor):
        return to_array(answer)
    if isinstance(answer, str):
        return np.frombuffer(answer.encode(), np.uint8)
    # By PyTorch, so that numbers get the dtypes that PyTorch gives them.
    return to_array(torch.tensor(answer))
