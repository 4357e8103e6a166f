"""Schemes by which tables are stored in 8 or 4 bits, as their libraries document them.

The elements of a group share a scale and an offset. A group is the whole table, a row, or a block
of neighbours. An element is stored as a code. The code stands for one of the scheme's numbers, and
so for a level of the group: `offset + number * scale`. The numbers of most schemes are whole. Those
of a floating-point format lie closer together near 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class ScaleGroup(StrEnum):
    """The elements that share a scale."""

    TABLE = "table"
    ROW = "row"
    BLOCK = "block"
    """Neighbours in a row. The last block of a row may be shorter."""
    RUN = "run"
    """Neighbours in the table read row by row. A run may begin in one row and end in the next."""


class Range(StrEnum):
    """How the scale and the offset follow from the elements x of a group."""

    SYMMETRIC = "symmetric"
    """The scale is max|x| / `full`; the offset is 0."""
    SIGNED = "signed"
    """The lowest code stands for the element of the largest magnitude; the offset is 0.

    The scale is negative if that element is positive. An element of the opposite sign and nearly
    the same magnitude is beyond the levels.
    """
    AFFINE = "affine"
    """The levels range from min(x) to max(x), and include both; 0 need not be a level."""
    WITH_ZERO = "with-zero"
    """The levels range from min(x, 0) to max(x, 0), shifted by at most half a step so that 0 is a
    level."""
    POWER_OF_TWO = "power-of-two"
    """The scale is a power of two. The scheme leaves open whether max|x| may exceed the levels."""


@dataclass(frozen=True)
class Scheme:
    """A way to store the elements of a table."""

    name: str
    numbers: tuple[float, ...]
    """The numbers that the codes stand for, in ascending order."""
    group: ScaleGroup
    range: Range
    source: str
    """The address of the documentation that defines the scheme."""
    scale_dtype: str = "float32"
    """The dtype of the stored scale, and of the stored offset in an affine range."""
    block: int = 0
    """The number of elements in a block or run."""
    full: float = 0.0
    """The number that max|x| is mapped to in a symmetric range."""

    @property
    def bits(self) -> int:
        """The number of bits of a code."""
        return (len(self.numbers) - 1).bit_length()

    def bytes_of(self, rows: int, columns: int) -> float:
        """Return the least size of a stored table: the bytes of its codes, scales and offsets.

        The offset of an affine range has the dtype of the scale. A zero point has as many bits as a
        code. A scale that is a power of two has one byte.
        """
        of_scale = 1 if self.range is Range.POWER_OF_TWO else np.dtype(self.scale_dtype).itemsize
        of_offset = {Range.AFFINE: float(of_scale), Range.WITH_ZERO: self.bits / 8}
        groups = math.prod(self.scales_shape(rows, columns))
        of_codes = rows * columns * self.bits / 8
        return of_codes + groups * (of_scale + of_offset.get(self.range, 0.0))

    def scales_shape(self, rows: int, columns: int) -> tuple[int, ...]:
        """Return the shape of a table's scales: (), (V,), (V, blocks of a row) or (runs,)."""
        # -(-a // b) rounds up: the last block of a row, and the last run, may be shorter.
        match self.group:
            case ScaleGroup.TABLE:
                return ()
            case ScaleGroup.ROW:
                return (rows,)
            case ScaleGroup.BLOCK:
                return (rows, -(-columns // self.block))
            case ScaleGroup.RUN:
                return (-(-rows * columns // self.block),)

    @property
    def keeps_zero(self) -> bool:
        """Whether 0 is a level of every group."""
        return self.range is not Range.AFFINE


@dataclass(frozen=True)
class LevelGrid:
    """The scale and the offset of each element's group: float64 arrays of shape (V, D)."""

    offset: np.ndarray
    scale: np.ndarray


def _whole(lowest: int, highest: int) -> tuple[float, ...]:
    return tuple(float(number) for number in range(lowest, highest + 1))


def _floats(bits: int, mantissa: int, bias: int, largest: float) -> tuple[float, ...]:
    """Return the finite numbers of a floating-point format, ascending, up to `largest` in size."""
    fractions, exponents = 2**mantissa, 2 ** (bits - 1 - mantissa)
    # Exponent 0 is for subnormal numbers: they have no leading 1, and the scale of exponent 1.
    sizes = {
        (fraction if exponent == 0 else fraction + fractions)
        * 2.0 ** (max(exponent, 1) - bias - mantissa)
        for exponent in range(exponents)
        for fraction in range(fractions)
    }
    kept = sorted(size for size in sizes if size <= largest)
    return (*(-size for size in reversed(kept) if size), *kept)


_NORMAL = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635),
    *(-0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725),
    *(0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941),
    *(0.7229568362236023, 1.0),
)
"""Quantiles of a normal distribution (QLoRA, https://arxiv.org/abs/2305.14314, appendix E)."""
_E2M1 = _floats(4, 1, 1, 6.0)
_E4M3 = _floats(8, 3, 7, 448.0)
# E2M1 in another scale, except for the smallest number, which would be 1 there.
_FP4_SIZES = tuple(size / 12 for size in (0.0625, 2, 3, 4, 6, 8, 12))
_FP4 = (*(-size for size in reversed(_FP4_SIZES)), 0.0, *_FP4_SIZES)

_FBGEMM = "https://docs.pytorch.org/FBGEMM/fbgemm/cpp-api/QuantUtils.html"
_KERAS = "https://keras.io/api/quantization/"
_ONNX = "https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html"
_AO = "https://docs.pytorch.org/ao/stable/api_reference/api_ref_quantization.html"
_NNCF = (
    "https://docs.openvino.ai/2026/openvino-workflow/model-optimization-guide/weight-compression"
    ".html"
)
_MLX = "https://ml-explore.github.io/mlx/build/html/python/_autosummary/mlx.core.quantize.html"
_BNB = "https://huggingface.co/docs/bitsandbytes/main/en/reference/nn/embeddings"
_OCP = "https://www.opencompute.org/documents/ocp-microscaling-formats-mx-v1-0-spec-final-pdf"

SCHEMES: Mapping[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme("int8-row", _whole(-127, 127), ScaleGroup.ROW, Range.SYMMETRIC, _KERAS, full=127),
        Scheme("int8-table", _whole(-127, 127), ScaleGroup.TABLE, Range.SYMMETRIC, _ONNX, full=127),
        Scheme("uint8-table", _whole(0, 255), ScaleGroup.TABLE, Range.WITH_ZERO, _ONNX),
        Scheme("uint8-row", _whole(0, 255), ScaleGroup.ROW, Range.AFFINE, _FBGEMM),
        Scheme("uint8-half-row", _whole(0, 255), ScaleGroup.ROW, Range.AFFINE, _FBGEMM, "float16"),
        Scheme("uint4-row", _whole(0, 15), ScaleGroup.ROW, Range.AFFINE, _FBGEMM, "float16"),
        Scheme("uint8-zero-row", _whole(0, 255), ScaleGroup.ROW, Range.WITH_ZERO, _NNCF, "float16"),
        Scheme(
            "int8-signed-row", _whole(-128, 127), ScaleGroup.ROW, Range.SIGNED, _NNCF, "float16"
        ),
        # 127.5, and 7.5 below, are half the distance from the lowest to the highest number. So
        # max|x| may be half a step beyond the highest level.
        Scheme(
            "int8-full-row", _whole(-128, 127), ScaleGroup.ROW, Range.SYMMETRIC, _AO, full=127.5
        ),
        Scheme("int4-row", _whole(-7, 7), ScaleGroup.ROW, Range.SYMMETRIC, _KERAS, full=7),
        Scheme("float8-row", _E4M3, ScaleGroup.ROW, Range.SYMMETRIC, _AO, full=448),
        Scheme("float8-table", _E4M3, ScaleGroup.TABLE, Range.SYMMETRIC, _AO, full=448),
        Scheme(
            "int4-full-block32",
            _whole(-8, 7),
            ScaleGroup.BLOCK,
            Range.SYMMETRIC,
            _AO,
            block=32,
            full=7.5,
        ),
        Scheme(
            "int4-signed-block32", _whole(-8, 7), ScaleGroup.BLOCK, Range.SIGNED, _ONNX, block=32
        ),
        Scheme(
            "uint4-zero-block32", _whole(0, 15), ScaleGroup.BLOCK, Range.WITH_ZERO, _ONNX, block=32
        ),
        Scheme(
            "int4-signed-half-block32",
            _whole(-8, 7),
            ScaleGroup.BLOCK,
            Range.SIGNED,
            _NNCF,
            "float16",
            block=32,
        ),
        Scheme(
            "uint4-zero-half-block32",
            _whole(0, 15),
            ScaleGroup.BLOCK,
            Range.WITH_ZERO,
            _NNCF,
            "float16",
            block=32,
        ),
        Scheme("uint4-block32", _whole(0, 15), ScaleGroup.BLOCK, Range.AFFINE, _MLX, block=32),
        Scheme("uint8-block32", _whole(0, 255), ScaleGroup.BLOCK, Range.AFFINE, _MLX, block=32),
        Scheme("nf4-block64", _NORMAL, ScaleGroup.RUN, Range.SYMMETRIC, _BNB, block=64, full=1),
        Scheme("fp4-block64", _FP4, ScaleGroup.RUN, Range.SYMMETRIC, _BNB, block=64, full=1),
        Scheme("mxfp8-block32", _E4M3, ScaleGroup.BLOCK, Range.POWER_OF_TWO, _OCP, block=32),
        Scheme("mxfp4-block32", _E2M1, ScaleGroup.BLOCK, Range.POWER_OF_TWO, _OCP, block=32),
    )
}
"""The schemes by name. A name gives the code's dtype, the range if it is unusual, and the group."""


def groups_of(shape: tuple[int, int], scheme: Scheme) -> np.ndarray:
    """Return the number of each element's group, shape (V, D), counted from 0 row by row."""
    rows, columns = np.indices(shape, sparse=True)
    match scheme.group:
        case ScaleGroup.TABLE:
            return np.zeros(shape, np.intp)
        case ScaleGroup.ROW:
            return np.broadcast_to(rows, shape)
        case ScaleGroup.BLOCK:
            _, blocks_of_a_row = scheme.scales_shape(*shape)
            return np.asarray(rows * blocks_of_a_row + columns // scheme.block)
        case ScaleGroup.RUN:
            return np.asarray((rows * shape[1] + columns) // scheme.block)


def grids_of(table: np.ndarray, scheme: Scheme) -> tuple[LevelGrid, ...]:
    """Return the grids that a scheme allows for a table (V, D): one, or two if it leaves a choice.

    Scales and offsets are not rounded to the dtype in which the scheme stores them.
    """
    lowest, highest = ends_of(table, scheme)
    numbers, zeros = scheme.numbers, np.zeros(table.shape)
    # Tables may hold NaN and infinities, and the logarithm of 0 is infinite.
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        largest = np.maximum(highest, -lowest)
        match scheme.range:
            case Range.SYMMETRIC:
                return (LevelGrid(zeros, largest / scheme.full),)
            case Range.SIGNED:
                return (
                    LevelGrid(zeros, np.where(highest > -lowest, highest, lowest) / numbers[0]),
                )
            case Range.POWER_OF_TWO:
                # Either the power of two at or below max|x| is mapped to that of the largest
                # number, or the scale is the smallest by which no element exceeds the levels.
                of_powers = np.floor(np.log2(largest)) - np.floor(np.log2(numbers[-1]))
                of_numbers = np.ceil(np.log2(largest / numbers[-1]))
                some = largest > 0
                return tuple(
                    LevelGrid(zeros, np.where(some, np.exp2(powers), 0.0))
                    for powers in (of_powers, of_numbers)
                )
            case Range.AFFINE:
                return (LevelGrid(lowest, (highest - lowest) / numbers[-1]),)
        # WITH_ZERO remains: the offset is moved to the nearest multiple of the scale.
        lowest, highest = np.minimum(lowest, 0.0), np.maximum(highest, 0.0)
        scale = (highest - lowest) / numbers[-1]
        code_of_zero = np.rint(-lowest / np.where(scale > 0, scale, 1.0))
        return (LevelGrid(-code_of_zero * scale, scale),)


def ends_of(table: np.ndarray, scheme: Scheme) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimum and the maximum of each element's group: two float64 arrays (V, D)."""
    wide = table.astype(np.float64)
    if not table.size:
        return wide, wide
    # `np.minimum.at` would work for all groups, but takes ten times as long for rows.
    if scheme.group in (ScaleGroup.TABLE, ScaleGroup.ROW):
        axis = None if scheme.group is ScaleGroup.TABLE else 1
        return tuple(  # type: ignore[return-value]
            np.broadcast_to(end(wide, axis=axis, keepdims=True), table.shape)
            for end in (np.min, np.max)
        )
    lines = wide if scheme.group is ScaleGroup.BLOCK else wide.reshape(1, -1)
    starts = np.arange(0, lines.shape[1], scheme.block)
    lengths = np.diff([*starts, lines.shape[1]])
    return tuple(  # type: ignore[return-value]
        np.repeat(end.reduceat(lines, starts, axis=1), lengths, axis=1).reshape(table.shape)
        for end in (np.minimum, np.maximum)
    )
