"""SciPy's sparse arrays: a bag is a row of a CSR array, and the bags times the table are the sums.

That is the term-document array in the documentation of `csr_array`, made from the three arrays
`(data, indices, indptr)`: the bounds of the bags are `indptr`, and the data are the per-sample
weights, or ones of the table's dtype. A lookup is a CSR array with one entry in each row. Means
divide the sums in place by the sizes of the bags; there is no such product for a maximum. One-hot
rows are those of a lookup, by `toarray`; without a number of classes SciPy infers the shape from
the indices. Another spelling tells the row and the column of each entry, `(data, (row_ind,
col_ind))`, which that documentation has as well: it looks at what it is given, and adds up entries
of one row and column. SciPy has no gradients.
https://docs.scipy.org/doc/scipy/reference/generated/scipy.sparse.csr_array.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import scipy
from scipy.sparse import csr_array

from embcheck.backends.composed import composition
from embcheck.conformance.contract.backend import (
    BackendInfo,
    Capability,
    Provided,
    Provision,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call, Operation

_OBSERVABLE = ("output", "weight_after", "inputs_after")

_BY_COORDINATES = "csr_array((data, (row_ind, col_ind)), shape=(M, N))  # raises"

_IMPORTS = "from typing import Any\n\nfrom scipy.sparse import csr_array"


def compressed(data: Any, indices: Any, bounds: Any, shape: Any) -> Any:
    """Make a CSR array from its three arrays; the entries of a row lie between two bounds."""
    return csr_array((data, indices, bounds), shape=shape)


def by_coordinates(data: Any, indices: Any, bounds: Any, shape: Any) -> Any:
    """Make a CSR array from the row and the column of each entry."""
    rows = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    return csr_array((data, (rows, indices)), shape=shape)


def look_up(weight: Any, indices: Any, make: Any = compressed) -> Any:
    """Multiply a CSR array with one entry in each row by the table."""
    ones, bounds = np.ones(indices.size, weight.dtype), np.arange(indices.size + 1)
    output = make(ones, indices.ravel(), bounds, (indices.size, len(weight))) @ weight
    return output.reshape(*indices.shape, *weight.shape[1:])


def sum_bags(
    weight: Any, indices: Any, bounds: Any, per_sample_weights: Any = None, make: Any = compressed
) -> Any:
    """Multiply a CSR array with one row for each bag by the table."""
    if per_sample_weights is None:
        per_sample_weights = np.ones(len(indices), weight.dtype)
    return make(per_sample_weights, indices, bounds, (len(bounds) - 1, len(weight))) @ weight


def average_bags(weight: Any, indices: Any, bounds: Any, make: Any = compressed) -> Any:
    """Divide the sums by the sizes of the bags."""
    output = sum_bags(weight, indices, bounds, make=make)
    output /= np.diff(bounds)[:, None]
    return output


def one_hot(indices: Any, num_classes: int, make: Any = compressed) -> Any:
    """Make a CSR array with one entry in each row dense; -1 infers the number of classes."""
    ones, bounds = np.ones(indices.size, np.int64), np.arange(indices.size + 1)
    shape = None if num_classes == -1 else (indices.size, num_classes)
    rows = make(ones, indices.ravel(), bounds, shape)
    return rows.toarray().reshape(*indices.shape, rows.shape[1])


_OPERATIONS = {
    Operation.EMBEDDING: Provided(
        Provision.COMPOSED, "csr_array((ones, indices.ravel(), arange(n + 1))) @ weight"
    ),
    Operation.EMBEDDING_BAG: Provided(
        Provision.COMPOSED,
        "csr_array((ones or per_sample_weights, indices, offsets)) @ weight, for means divided by "
        "np.diff(offsets)",
    ),
    Operation.ONE_HOT: Provided(
        Provision.COMPOSED, "csr_array((ones, indices.ravel(), arange(n + 1))).toarray()"
    ),
}


class ScipyCsr:
    """Products of CSR arrays and tables."""

    info = BackendInfo(
        id="scipy-csr",
        library="scipy",
        version=scipy.__version__,
        operations=_OPERATIONS,
        capabilities=frozenset({Capability.PER_SAMPLE_WEIGHTS, Capability.INCLUDE_LAST_OFFSET}),
        # `toarray` writes one-hot rows without checking bounds.
        fresh_worker_after_bad_index=True,
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], Mapping[str, np.ndarray]]:
        """Choose the functions; the thunk does all the work."""
        return _thunk(call, _function(call))

    def spellings(self, call: Call) -> Mapping[str, Callable[[], Mapping[str, np.ndarray]]]:
        """Return a thunk that makes the CSR array from the row and column of each entry."""
        return {_BY_COORDINATES: _thunk(call, partial(_function(call), make=by_coordinates))}

    def to_numpy(self, answer: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the answer as it is: its values are NumPy arrays already."""
        return answer

    def script(self, call: Call) -> str:
        """Write the functions of a call."""
        return composition.script(call, _IMPORTS, _function(call))


def _thunk(
    call: Call, function: Callable[..., np.ndarray]
) -> Callable[[], Mapping[str, np.ndarray]]:
    # Inside the thunk, since flattening a matrix is part of the call, and is timed.
    return lambda: {
        "output": function(**composition.arguments(call)),
        **inputs_after(call.inputs),
    }


def _function(call: Call) -> Callable[..., np.ndarray]:
    """Return the function of a call; raise Unsupported if there is none."""
    if call.operation is Operation.EMBEDDING:
        composition.expect_only(call, "SciPy", (), _OBSERVABLE)
        return look_up
    if call.operation is Operation.ONE_HOT:
        composition.expect_only(call, "SciPy", ("num_classes",), _OBSERVABLE)
        return one_hot
    if call.operation is not Operation.EMBEDDING_BAG:
        raise Unsupported(f"SciPy has no {call.operation}")
    composition.expect_only(call, "SciPy", composition.BAG_OPTIONS, _OBSERVABLE)
    composition.expect_bounds(call)
    is_sum = composition.expect_mode(call, ("sum", "mean")) == "sum"
    return sum_bags if is_sum else average_bags
