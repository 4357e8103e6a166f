"""The sizes of a call, by axis; kernels have thresholds on each axis."""

from __future__ import annotations

import numpy as np

from embcheck.conformance.contract.call import Call, Operation

Sizes = frozenset[tuple[str, int]]
"""Axes and their sizes; each axis has one."""

USUAL = 8
"""Larger sizes are unusual; the smallest vector has this width."""

LADDER = (
    *(15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513),
    *(768, 769, 770, 1000, 1001, 1023, 1024, 1025, 2047, 2048, 2049, 2050, 4097, 8960, 16385),
    *(32767, 32768, 32769, 65519, 65520, 65535, 65536, 65537, 70000),
)
"""Sizes on both sides of the usual thresholds."""

VAST = 2**24 + 8
"""Rows of a table so large that float32 cannot represent the numbers of the last ones."""


def sizes_of(call: Call) -> dict[str, int]:
    """Return the sizes of a call, by axis."""
    indices = call.inputs["indices"]
    sizes = {"repeats": _repeats(indices)}
    if call.operation is Operation.ONE_HOT:
        sizes["classes"] = _classes(call)
        return {**sizes, "positions": indices.size}
    rows, columns = _table(call)
    sizes |= {"rows": rows, "columns": columns}
    if not call.operation.is_bag:
        return {**sizes, "positions": indices.size}
    bags, entries = _bags(call)
    return {**sizes, "bags": bags, "entries": entries}


def unusual(call: Call) -> Sizes:
    """Return the axes that are longer than usual, each with its size."""
    return frozenset((axis, size) for axis, size in sizes_of(call).items() if size > USUAL)


def _repeats(indices: np.ndarray) -> int:
    """Count how often the most frequent index occurs."""
    # Counting takes a sort, and few indices cannot repeat unusually often.
    if indices.size <= USUAL or indices.dtype.kind not in "iu":
        return indices.size and 1
    return int(np.unique(indices, return_counts=True)[1].max())


def _classes(call: Call) -> int:
    classes = int(call.option("num_classes"))
    indices = call.inputs["indices"]
    if classes != -1 or not indices.size or indices.dtype.kind not in "iu":
        return max(classes, 0)
    return max(int(indices.max()) + 1, 0)


def _table(call: Call) -> tuple[int, int]:
    if "weight" in call.inputs:
        # A table of one dimension has neither rows nor columns to count.
        shape = call.inputs["weight"].shape
        return (shape[0], shape[-1]) if len(shape) > 1 else (0, 0)
    return int(call.options["num_embeddings"]), int(call.options["embedding_dim"])


def _bags(call: Call) -> tuple[int, int]:
    """Return the number of bags, and the entries of the longest."""
    indices, offsets = call.inputs["indices"], call.inputs.get("offsets")
    if indices.ndim == 2:
        return indices.shape
    if offsets is None or offsets.ndim != 1 or not offsets.size:
        return 0, indices.size
    # In float64, and clipped to the number of indices, since a bad offset may have any value.
    bounds = offsets if call.option("include_last_offset") else [*offsets, indices.size]
    lengths = np.diff(np.asarray(bounds, np.float64))
    return len(lengths), int(np.clip(lengths.max(initial=0), 0, indices.size))
