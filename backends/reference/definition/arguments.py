"""Checks of a call's arguments, which raise an error for an invalid value."""

from __future__ import annotations

import numpy as np

from embcheck.conformance.contract.call import Call


def padding_row(padding_idx: int | None, rows: int) -> int | None:
    """Return the row that `padding_idx` names; a negative one counts from the end."""
    if padding_idx is None:
        return None
    if not isinstance(padding_idx, int):
        raise TypeError(f"padding_idx must be an integer, not {padding_idx!r}")
    if not -rows <= padding_idx < rows:
        raise ValueError(f"padding_idx must be in [{-rows}, {rows - 1}], not {padding_idx}")
    return padding_idx % rows


def check_indices(indices: np.ndarray, rows: int) -> None:
    """Raise TypeError unless indices are int32 or int64, and IndexError if one names no row."""
    if indices.dtype not in (np.int32, np.int64):
        raise TypeError(f"indices must be int32 or int64, not {indices.dtype}")
    if ((indices < 0) | (indices >= rows)).any():
        raise IndexError(f"an index is outside [0, {rows - 1}]")


def check_renorm(max_norm: object, norm_type: object) -> None:
    """Raise an error unless max_norm is a number >= 0 and norm_type a number > 0."""
    if not isinstance(max_norm, (int, float)) or not isinstance(norm_type, (int, float)):
        raise TypeError(f"max_norm and norm_type must be numbers, not {max_norm!r}, {norm_type!r}")
    if max_norm < 0:
        raise ValueError(f"no row can have the norm {max_norm}")
    if norm_type <= 0:
        raise ValueError(f"there is no norm of order {norm_type}")


def check_bag_options(call: Call, weight: np.ndarray, mode: str) -> None:
    """Raise an error for an unknown mode, an integer weight, or options that exclude each other."""
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode must be sum, mean or max, not {mode!r}")
    if weight.dtype.kind not in "fV":
        raise TypeError(f"bags need a floating weight, not {weight.dtype}")
    if mode == "max" and (call.option("scale_grad_by_freq") or call.option("sparse")):
        raise ValueError("mode max takes neither scale_grad_by_freq nor sparse")
    factors = call.inputs.get("per_sample_weights")
    if factors is None:
        return
    if mode != "sum":
        raise NotImplementedError(f"per_sample_weights need mode sum, not {mode}")
    if factors.shape != call.inputs["indices"].shape or factors.dtype != weight.dtype:
        raise ValueError("per_sample_weights must have the indices' shape and the weight's dtype")
