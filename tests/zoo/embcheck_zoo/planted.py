"""Backends with one fault each of the kinds that real kernels had: sizes, layouts, earlier calls.

Each answers like the reference but where its fault begins, as a fuzzer would meet it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import GRADIENT_OBSERVATIONS, Call, Operation
from embcheck_zoo.base import Correct

Answer = dict[str, np.ndarray]


def is_lookup(call: Call) -> bool:
    """Whether a call is one of the lookups."""
    return call.operation.value.startswith("embedding") and not call.operation.is_bag


def bag_bounds(call: Call) -> np.ndarray:
    """Return where each bag starts, and where the last one ends."""
    indices, offsets = call.inputs["indices"], call.inputs.get("offsets")
    if indices.ndim == 2:
        return np.arange(len(indices) + 1) * indices.shape[1]
    return offsets if call.options.get("include_last_offset") else np.append(offsets, indices.size)


def with_weight(call: Call, change: Callable[[np.ndarray], np.ndarray]) -> Call:
    """Return the call with another reading of its weight's memory, where it has one."""
    weight = call.inputs.get("weight")
    if weight is None or weight.ndim != 2 or not weight.size:
        return call
    return replace(call, inputs={**call.inputs, "weight": change(weight)})


def whole(array: np.ndarray) -> np.ndarray:
    """Return the memory that an array lies in, as bytes."""
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    return root if root.dtype == np.uint8 else np.frombuffer(root.tobytes("A"), np.uint8)


def read(array: np.ndarray, offset: int, strides: tuple[int, ...]) -> np.ndarray:
    """Read an array's memory from another start and with other strides; zeros behind its end."""
    memory = whole(array).tobytes() + bytes(array.size * array.itemsize * 3)
    return np.ndarray(array.shape, array.dtype, memory, offset, strides).copy()


class Planted(Correct):
    """A correct backend whose calls are spoiled before, and whose answers after."""

    def answer(self, call: Call) -> Any:
        misread = self.misread(call)
        answer = dict(self.correct(misread))
        if misread is not call:
            # The caller's arrays are not those that were read; that is no fault of its own.
            answer |= {f"{name}_after": array for name, array in call.inputs.items()}
        self.spoil(call, answer)
        return answer

    def misread(self, call: Call) -> Call:
        return call

    def spoil(self, call: Call, answer: Answer) -> None:
        pass


class WideRows(Planted):
    """Copies no more than 1,024 columns of a row."""

    def spoil(self, call: Call, answer: Answer) -> None:
        if is_lookup(call) and answer["output"].shape[-1] > 1024:
            answer["output"] = answer["output"].copy()
            answer["output"][..., 1024:] = 0


class VectorTail(Planted):
    """Leaves the last columns % 8 columns of a bag out, where there are more than 8."""

    def spoil(self, call: Call, answer: Answer) -> None:
        columns = answer["output"].shape[-1]
        if call.operation.is_bag and columns > 8 and columns % 8:
            answer["output"] = answer["output"].copy()
            answer["output"][:, columns - columns % 8 :] = 0


class BagCapacity(Planted):
    """Adds up no more than 128 entries of a bag."""

    def misread(self, call: Call) -> Call:
        if not call.operation.is_bag or "offsets" not in call.inputs:
            return call
        if call.options.get("mode", "mean") != "sum" or "weight" not in call.inputs:
            return call
        offsets, indices = call.inputs["offsets"], call.inputs["indices"]
        if indices.ndim != 1 or offsets.ndim != 1 or not offsets.size:
            return call
        bounds = bag_bounds(call)
        if (np.diff(bounds) <= 128).all() or bounds[-1] > indices.size:
            return call
        factors = call.inputs.get("per_sample_weights", np.ones(indices.shape, "float32")).copy()
        for start, end in pairwise(bounds):
            factors[start + 128 : end] = 0
        factors = factors.astype(call.inputs["weight"].dtype)
        return replace(call, inputs={**call.inputs, "per_sample_weights": factors})


class RepeatLimit(Planted):
    """Adds up no more than 64 repeats of a row in the gradient of a lookup."""

    def spoil(self, call: Call, answer: Answer) -> None:
        if not is_lookup(call) or "grad_weight" not in answer or not call.inputs["indices"].size:
            return
        counts = np.bincount(
            call.inputs["indices"].reshape(-1), minlength=len(answer["grad_weight"])
        )
        gradient = answer["grad_weight"].copy()
        gradient[counts > 64] = (gradient[counts > 64] * 0.5).astype(gradient.dtype)
        answer["grad_weight"] = gradient


class PaddingBeyond(Planted):
    """Gives the padding row a gradient where there are more than 768 positions."""

    def spoil(self, call: Call, answer: Answer) -> None:
        padding = call.options.get("padding_idx")
        is_about = is_lookup(call) and padding is not None and "grad_weight" in answer
        if is_about and call.inputs["indices"].size > 768:
            answer["grad_weight"] = answer["grad_weight"].copy()
            answer["grad_weight"][padding] = 1


class HalfIndices(Planted):
    """Passes the indices of a lookup through float16."""

    through: Any = np.float16

    def misread(self, call: Call) -> Call:
        indices = call.inputs["indices"]
        if not is_lookup(call) or indices.dtype not in (np.int32, np.int64) or not indices.size:
            return call
        if "weight" not in call.inputs or indices.min() < 0 or indices.max() >= 2**30:
            return call
        with np.errstate(all="ignore"):
            passed = indices.astype(self.through).astype(np.float64)
        passed = np.minimum(np.nan_to_num(passed, posinf=2**30), len(call.inputs["weight"]) - 1)
        changed = passed.astype(indices.dtype)
        if (indices >= len(call.inputs["weight"])).any() or (changed == indices).all():
            return call
        return replace(call, inputs={**call.inputs, "indices": changed})


class FloatIndices(HalfIndices):
    """Passes the indices of a lookup through float32."""

    through = np.float32


class RowStride(Planted):
    """Reads a table as if its rows lay next to each other."""

    def misread(self, call: Call) -> Call:
        def contiguous(weight: np.ndarray) -> np.ndarray:
            inner = weight.strides[1] == weight.itemsize
            if not inner or weight.strides[0] <= weight.shape[1] * weight.itemsize:
                return weight
            start = weight.__array_interface__["data"][0] - start_of(weight)
            return read(weight, start, (weight.shape[1] * weight.itemsize, weight.itemsize))

        return with_weight(call, contiguous)


class StartOffset(Planted):
    """Reads a contiguous table from the start of the memory that it is a part of."""

    def misread(self, call: Call) -> Call:
        def from_start(weight: np.ndarray) -> np.ndarray:
            start = weight.__array_interface__["data"][0] - start_of(weight)
            if not start or not weight.flags.c_contiguous:
                return weight
            return read(weight, 0, weight.strides)

        return with_weight(call, from_start)


class NegativeStrides(Planted):
    """Reads indices of a negative stride forwards."""

    def misread(self, call: Call) -> Call:
        indices = call.inputs["indices"]
        if indices.ndim and indices.size > 1 and indices.strides[0] < 0:
            return replace(call, inputs={**call.inputs, "indices": indices[::-1].copy()})
        return call


class ZeroStrides(Planted):
    """Takes an upstream gradient of stride 0 for its first row, and zeros."""

    def misread(self, call: Call) -> Call:
        upstream = call.inputs.get("grad_output")
        if upstream is None or not upstream.size or upstream.strides[0] != 0 or len(upstream) < 2:
            return call
        first = upstream.copy()
        first[1:] = 0
        return replace(call, inputs={**call.inputs, "grad_output": first})


class SecondCall(Planted):
    """Answers a lookup with the rows of the first indices of that shape."""

    def __init__(self) -> None:
        super().__init__()
        self._first: dict[Any, np.ndarray] = {}

    def misread(self, call: Call) -> Call:
        indices = call.inputs["indices"]
        weight = call.inputs.get("weight")
        is_plain = call.operation is Operation.EMBEDDING and weight is not None
        if not is_plain or indices.dtype not in (np.int32, np.int64) or not indices.size:
            return call
        if indices.min() < 0 or indices.max() >= len(weight):
            return call
        first = self._first.setdefault((indices.shape, weight.shape), indices.copy())
        return replace(call, inputs={**call.inputs, "indices": first.astype(indices.dtype)})


class HeightlessCache(Planted):
    """Keeps the shape of a gradient by the shape of the indices, and not by the table's height."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[Any, int] = {}

    def spoil(self, call: Call, answer: Answer) -> None:
        if is_lookup(call) and "grad_weight" in call.observe:
            gradient = answer["grad_weight"]
            key = (call.inputs["indices"].shape, gradient.shape[1:], gradient.dtype)
            rows = self._rows.setdefault(key, len(gradient))
            kept = np.zeros((rows, *gradient.shape[1:]), gradient.dtype)
            shared = min(rows, len(gradient))
            kept[:shared] = gradient[:shared]
            answer["grad_weight"] = kept


class TrainingPath(Planted):
    """Gives the first bag twice where a gradient is asked for together with the output."""

    def spoil(self, call: Call, answer: Answer) -> None:
        if call.operation.is_bag and call.wants(*GRADIENT_OBSERVATIONS):
            answer["output"] = answer["output"].copy()
            answer["output"][1:] = answer["output"][:1]


class BesidePadding(Planted):
    """Takes any index where there is a padding_idx."""

    def misread(self, call: Call) -> Call:
        indices, weight = call.inputs["indices"], call.inputs.get("weight")
        if call.options.get("padding_idx") is None or weight is None or weight.ndim != 2:
            return call
        if indices.dtype not in (np.int32, np.int64) or not len(weight):
            return call
        if (indices < len(weight)).all():
            return call
        clipped = np.minimum(indices, len(weight) - 1)
        return replace(call, inputs={**call.inputs, "indices": clipped})


class EveryFiftieth(Planted):
    """Adds 1 to every fiftieth output, as a race would now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    def spoil(self, call: Call, answer: Answer) -> None:
        self._count += 1
        if self._count % 50 == 0:
            answer["output"] = answer["output"] + np.ones((), answer["output"].dtype)


class BagLimit(Planted):
    """Leaves the bags behind the thousandth at zero."""

    def spoil(self, call: Call, answer: Answer) -> None:
        if call.operation.is_bag and len(answer["output"]) > 1000:
            answer["output"] = answer["output"].copy()
            answer["output"][1000:] = 0


class ByteClasses(Planted):
    """Keeps classes of one_hot in a byte."""

    def spoil(self, call: Call, answer: Answer) -> None:
        if call.operation is Operation.ONE_HOT and answer["output"].shape[-1] > 255:
            answer["output"] = answer["output"].copy()
            answer["output"][..., 255:] = 0


def start_of(array: np.ndarray) -> int:
    """Return the address of the memory that an array lies in."""
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    start: int = root.__array_interface__["data"][0]
    return start
