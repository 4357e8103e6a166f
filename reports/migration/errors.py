"""How far an answer is from another one, in the usual measures for embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ml_dtypes import finfo


@dataclass(frozen=True)
class Distance:
    """How far an answer is from the right one.

    `largest` is the largest absolute error. `rms` is the root mean square of the errors, divided by
    that of the right values. `cosine` is the smallest cosine similarity of a row to the right row.
    `ulp` is the largest error, in units in the last place of the largest value in its row: those of
    a value near zero would mean nothing. `rms`, `cosine` and `ulp` are None if all right values are
    zero. `not_finite` counts NaN and infinities in the answer; if there are any, all other fields
    are None.
    """

    largest: float | None
    rms: float | None = None
    cosine: float | None = None
    ulp: float | None = None
    not_finite: int = 0

    @property
    def is_none(self) -> bool:
        """Whether the answers are equal."""
        return self.largest == 0


def distance(got: np.ndarray, wanted: np.ndarray, dtype: np.dtype) -> Distance:
    """Compare two answers of one shape; units in the last place are those of `dtype`.

    Both are of floating point; rows are along the last axis. `wanted` is finite.
    """
    found, right = (_rows(array) for array in (got, wanted))
    not_finite = int(np.count_nonzero(~np.isfinite(found)))
    # One NaN would make every figure NaN, and say nothing about the other values.
    if not_finite or not right.size:
        return Distance(None if right.size else 0.0, not_finite=not_finite)
    error = np.abs(found - right)
    # The squares of large values overflow; a scale cancels in the ratio.
    scale = float(np.abs(right).max()) or 1.0
    size = float(np.sqrt(np.mean(np.square(right / scale))))
    rms = float(np.sqrt(np.mean(np.square(error / scale)))) / size if size else None
    return Distance(float(error.max()), rms, _cosine(found, right), _ulp(error, right, dtype))


def _rows(array: np.ndarray) -> np.ndarray:
    wide = np.asarray(array, dtype=np.float64)
    return wide.reshape(-1, wide.shape[-1]) if wide.ndim > 1 else wide.reshape(1, -1)


def _cosine(found: np.ndarray, right: np.ndarray) -> float | None:
    """Return the smallest cosine of a row and its right row; None if all right rows are zero."""
    lengths = [np.linalg.norm(_scaled(rows), axis=1) for rows in (found, right)]
    known = lengths[1] > 0
    if not known.any():
        return None
    product = np.sum(_scaled(found) * _scaled(right), axis=1)[known]
    divisor = (lengths[0] * lengths[1])[known]
    # A row of zeros has no direction: its cosine is taken as 0, as of unrelated rows.
    cosines = np.divide(product, divisor, out=np.zeros_like(product), where=divisor > 0)
    return float(np.clip(cosines, -1, 1).min())


def _scaled(rows: np.ndarray) -> np.ndarray:
    """Divide each row by its largest value, so that no square is out of range."""
    most = np.abs(rows).max(axis=1, keepdims=True)
    return np.asarray(np.divide(rows, most, out=np.zeros_like(rows), where=most > 0))


def _ulp(error: np.ndarray, right: np.ndarray, dtype: np.dtype) -> float | None:
    largest = np.abs(right).max(axis=1)
    known = largest > 0
    if not known.any():
        return None
    most = float(finfo(dtype).max)  # type: ignore[no-untyped-call]
    # Beyond the largest value of the dtype there is infinity, whose spacing is NaN.
    unit = np.spacing(np.minimum(largest[known], most).astype(dtype)).astype(np.float64)
    return float((error[known].max(axis=1) / unit).max())
