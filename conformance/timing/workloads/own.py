"""A user's own table and index stream as a workload, after validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Observation, Operation
from embcheck.conformance.timing.workloads.load import (
    PROFILES,
    Given,
    Origin,
    Workload,
    WorkloadProfile,
)
from embcheck.conformance.timing.workloads.own_files import BadInput, Read, read
from embcheck.conformance.timing.workloads.traces import ROTATING

OWN = "OWN"
MODES = ("sum", "mean", "max")
TABLE_DTYPES = ("float16", "bfloat16", "float32", "float64")
INDEX_DTYPES = ("int32", "int64")
# As many as the traces of a cold cell.
MAX_CALLS = 8
SECONDS = 10.0

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Sources:
    """A user's choices: files, the mode of bags if there are bags, and the size of a call.

    `batch` counts bags, or indices of a lookup; None for the whole stream in one call. The table
    and the weights are converted to `dtype`; None keeps their own.
    """

    table: str
    trace: str
    offsets: str | None = None
    weights: str | None = None
    mode: str | None = None
    batch: int | None = None
    padding_idx: int | None = None
    dtype: str | None = None


def own_workload(sources: Sources) -> Workload:
    """Read a user's arrays, check them and make a workload of them; raises BadInput."""
    table = _table(sources)
    given = table.dtype.name
    table = _converted(table, sources.dtype, sources.table)
    arrays = _stream(sources)
    is_bag = sources.mode is not None or "offsets" in arrays or "per_sample_weights" in arrays
    _check_indices(arrays["indices"], len(table), sources.trace)
    _check_padding(sources.padding_idx, len(table))
    if "per_sample_weights" in arrays:
        weights = arrays["per_sample_weights"]
        arrays["per_sample_weights"] = _converted(weights, sources.dtype, "the weights")
    if is_bag:
        _check_bags(arrays, table, sources)
    calls = tuple(_calls(arrays, sources.batch))
    # Whether calls that rotate are hot or cold depends on the table's size, which may be any.
    profile = WorkloadProfile(("hot",) if len(calls) == 1 else (ROTATING,), ("all",), SECONDS)
    return Workload(
        id=OWN,
        title=_title(sources, table, given),
        stands_for="your own table and indices",
        operation=Operation.EMBEDDING_BAG if is_bag else Operation.EMBEDDING,
        observe=(Observation.OUTPUT,),
        dtype=table.dtype.name,
        table=Origin(),
        trace=Origin(),
        # A user's arrays have one size, whichever profile is asked for.
        profiles=dict.fromkeys(PROFILES, profile),
        options=_options(sources, is_bag=is_bag),
        given=Given(table, calls),
    )


def _options(sources: Sources, *, is_bag: bool) -> dict[str, Any]:
    # PyTorch's own default is the mean.
    options: dict[str, Any] = {"mode": sources.mode or "mean"} if is_bag else {}
    if sources.padding_idx is not None:
        options["padding_idx"] = sources.padding_idx
    return options


def _title(sources: Sources, table: np.ndarray, given: str) -> str:
    """Say what is timed: the table, whether it was converted, and the indices."""
    name = table.dtype.name
    converted = "" if name == given else f", converted once from {given} to {name}"
    rows, columns = table.shape
    return f"{sources.table} ({rows:,} x {columns:,} {name}{converted}), for {sources.trace}"


def _converted(array: np.ndarray, dtype: str | None, name: str) -> np.ndarray:
    """Return an array in another dtype, if one is wanted; raises BadInput on an overflow."""
    # Weights that are no floats stay as they are: `_check_bags` refuses them with a reason.
    if dtype is None or array.dtype.name == dtype or array.dtype.name not in TABLE_DTYPES:
        return array
    with np.errstate(over="ignore"):  # An overflow is refused below.
        found = array.astype(dtype)
    if not np.isfinite(found).all():
        largest = float(np.abs(array).max())
        raise BadInput(f"{dtype} cannot hold {name}, of up to {largest:.3g}", "use another --dtype")
    return found


def _check_padding(padding: int | None, rows: int) -> None:
    """Refuse a padding row that PyTorch refuses too; a negative one counts from the end."""
    if padding is not None and not -rows <= padding < rows:
        raise BadInput(
            f"--padding-idx {padding} names no row of a table of {rows} rows",
            f"give one from 0 to {rows - 1}, or from -{rows} to -1 to count from the end",
        )


def _table(sources: Sources) -> np.ndarray:
    found = read(sources.table)
    table = found.array
    if found.offsets is not None or table.ndim != 2 or not table.size:
        raise BadInput(
            f"{sources.table} is {_form(table)}", "a table has two dimensions, rows and columns"
        )
    if table.dtype.name not in TABLE_DTYPES:
        raise BadInput(
            f"{sources.table} is {table.dtype.name}", f"convert it to one of {_list(TABLE_DTYPES)}"
        )
    if not np.isfinite(table).all():
        raise BadInput(f"{sources.table} holds NaN or infinities", "replace them")
    return np.ascontiguousarray(table)


def _stream(sources: Sources) -> Arrays:
    """Read the indices, and offsets and weights if there are any."""
    trace = read(sources.trace)
    arrays = {"indices": np.ascontiguousarray(trace.array)}
    offsets = _offsets(sources, trace)
    if offsets is not None:
        arrays["offsets"] = offsets
    if sources.weights is not None:
        arrays["per_sample_weights"] = np.ascontiguousarray(read(sources.weights).array)
    return arrays


def _offsets(sources: Sources, trace: Read) -> np.ndarray | None:
    """Return the offsets in the indices' own dtype, as every library takes them."""
    if sources.offsets is not None and trace.offsets is not None:
        raise BadInput(f"{sources.trace} holds lists", "leave --offsets out, or give one list")
    found = trace.offsets if sources.offsets is None else read(sources.offsets).array
    if found is None:
        return None
    if found.dtype.kind not in "iu":
        raise BadInput(f"the offsets are {found.dtype.name}", "give int32 or int64")
    return np.asarray(found.astype(trace.array.dtype, copy=False))


def _check_indices(indices: np.ndarray, rows: int, name: str) -> None:
    if indices.dtype.name not in INDEX_DTYPES:
        advice = f"convert it to one of {_list(INDEX_DTYPES)}, as in ids.astype(numpy.int64)"
        raise BadInput(f"{name} is {indices.dtype.name}", advice)
    if indices.ndim not in (1, 2) or not indices.size:
        raise BadInput(f"{name} is {_form(indices)}", "give one or two dimensions, not empty")
    wrong = (indices < 0) | (indices >= rows)
    if wrong.any():
        place = tuple(int(at) for at in np.argwhere(wrong)[0])
        raise BadInput(
            f"{name}{list(place)} = {indices[place]} names no row of a table of {rows} rows "
            f"({int(wrong.sum())} of {indices.size} indices are out of range)",
            f"give indices from 0 to {rows - 1}; perhaps they count from 1, or belong elsewhere",
        )


def _check_bags(arrays: Mapping[str, np.ndarray], table: np.ndarray, sources: Sources) -> None:
    indices, offsets = arrays["indices"], arrays.get("offsets")
    if sources.mode not in (None, *MODES):
        raise BadInput(f"there is no mode '{sources.mode}'", f"use one of {_list(MODES)}")
    # Each row of two-dimensional indices is a bag.
    if offsets is None and indices.ndim == 1:
        raise BadInput("1-D indices do not say where bags begin", "give --offsets, or 2-D indices")
    if offsets is not None:
        _check_offsets(indices, offsets)
    weights = arrays.get("per_sample_weights")
    if weights is None:
        return
    if sources.mode != "sum":
        raise BadInput("weights are for sums", "add --mode sum")
    if weights.shape != indices.shape:
        advice = "give a weight for each index"
        raise BadInput(f"the weights are {_form(weights)}, the indices {_form(indices)}", advice)
    if weights.dtype != table.dtype:
        advice = f"convert them to {table.dtype.name}"
        raise BadInput(f"the weights are {weights.dtype.name}, unlike the table", advice)


def _check_offsets(indices: np.ndarray, offsets: np.ndarray) -> None:
    if indices.ndim != 1 or offsets.ndim != 1 or not offsets.size:
        advice = "give one dimension each; 2-D indices need no offsets"
        raise BadInput(f"offsets are {_form(offsets)}, indices {_form(indices)}", advice)
    if offsets[0] != 0:
        raise BadInput(f"the first offset is {offsets[0]}", "bags begin with the first index: 0")
    falls = np.flatnonzero(np.diff(offsets) < 0)
    if falls.size:
        at = int(falls[0]) + 1
        raise BadInput(
            f"offsets[{at}] = {offsets[at]} comes after {offsets[at - 1]}",
            "offsets are where each bag begins, and never fall",
        )
    if offsets[-1] > indices.size:
        raise BadInput(
            f"the last offset is {offsets[-1]}, but there are {indices.size} indices",
            "give the indices that the offsets belong to",
        )


def _calls(arrays: Arrays, batch: int | None) -> Iterator[Arrays]:
    """Split a stream into calls of one batch each, MAX_CALLS at most; drop the rest."""
    offsets = arrays.get("offsets")
    total = len(arrays["indices"] if offsets is None else offsets)
    if batch is None:
        yield arrays
        return
    if batch > total:
        raise BadInput(f"a batch of {batch} is more than the {total} there are", "take fewer")
    # Only whole batches: a shorter last call would not be like the others.
    for start in range(0, total - batch + 1, batch)[:MAX_CALLS]:
        if offsets is None:
            yield {name: array[start : start + batch] for name, array in arrays.items()}
        else:
            yield _ragged(arrays, offsets, start, start + batch)


def _ragged(arrays: Arrays, offsets: np.ndarray, start: int, end: int) -> Arrays:
    first = int(offsets[start])
    last = int(offsets[end]) if end < len(offsets) else len(arrays["indices"])
    cut = {name: array[first:last] for name, array in arrays.items() if name != "offsets"}
    return {**cut, "offsets": offsets[start:end] - offsets[start]}


def _form(array: np.ndarray) -> str:
    return f"{array.dtype.name}{list(array.shape)}"


def _list(names: Any) -> str:
    return ", ".join(names)
