"""The reference quantizes tables as Keras, MLX, FBGEMM and LiteRT do.

Each test runs where its library is installed. EMBCHECK_STORED_TABLES sets the number of tables.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from test_quantized import TABLES, TIE, tables

from embcheck.backends.reference.definition.stored import store
from embcheck.conformance.contract.schemes import SCHEMES, ends_of, grids_of

KERAS_EPSILON = 1e-7
"""The number that Keras adds to the range of a group."""
FBGEMM_EPSILON = 1e-8
"""The number that FBGEMM adds to the range of a row of 8 bits."""


def assert_codes(codes, table, scheme, near=TIE, apart=False):
    """Compare codes, counted from 0, except near ties; return the share that was compared.

    `near` is the distance from a tie in steps; elements in `apart` are not compared.
    """
    stored = store(table, SCHEMES[scheme])
    offset, scale = stored.grid.offset, stored.grid.scale
    exact = (table.astype(np.float64) - offset) / np.where(scale > 0, scale, 1.0)
    left = (np.abs(exact % 1 - 0.5) < near) | apart
    np.testing.assert_array_equal(np.where(left, 0, codes), np.where(left, 0, stored.codes))
    return 1 - np.mean(left)


def width_of_blocks(table, block=32):
    """Repeat columns until a row has whole blocks."""
    return np.tile(table, (1, block))[:, : max(block, table.shape[1] // block * block)]


@pytest.mark.parametrize(("scheme", "lowest"), [("int8-row", -127), ("int4-row", -8)])
def test_codes_are_those_of_keras_by_row(scheme, lowest):
    """The codes by row are Keras's, which adds an epsilon to the largest number."""
    os.environ["KERAS_BACKEND"] = "numpy"
    quantizers = pytest.importorskip("keras").quantizers
    highest, compared = lowest + 254 if lowest == -127 else 7, []
    for table in tables(TABLES):
        codes, _ = quantizers.abs_max_quantize(
            table, axis=-1, value_range=(lowest, highest), to_numpy=True
        )
        largest = np.abs(table).max(1, keepdims=True)
        near = TIE + highest * KERAS_EPSILON / largest
        compared.append(assert_codes(np.asarray(codes, int) + highest, table, scheme, near))
    assert np.mean(compared) > 0.95


def test_codes_are_those_of_keras_by_block():
    """The codes by block are Keras's, except for blocks on one side of 0.

    Keras stores those differently: see its deviations.
    """
    os.environ["KERAS_BACKEND"] = "numpy"
    quantizers = pytest.importorskip("keras").quantizers
    scheme, compared = SCHEMES["uint4-zero-block32"], []
    for table in tables(TABLES):
        found = quantizers.abs_max_quantize_grouped_with_zero_point(
            table.T, block_size=32, value_range=(-8, 7), to_numpy=True
        )
        lowest, highest = ends_of(table, scheme)
        scale = grids_of(table, scheme)[0].scale
        is_tie = np.abs(-np.minimum(lowest, 0) / np.where(scale > 0, scale, 1) % 1 - 0.5) < 0.01
        apart = (lowest > 0) | (highest < 0) | is_tie
        near = TIE + 15 * KERAS_EPSILON / np.maximum(highest - lowest, KERAS_EPSILON)
        codes = np.asarray(found[0], int).T + 8
        compared.append(assert_codes(codes, table, scheme.name, near, apart))
    assert np.mean(compared) > 0.4


@pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning")
@pytest.mark.parametrize(("scheme", "kind"), [("uint8-row", "INT8"), ("uint4-row", "INT4")])
def test_codes_are_those_of_fbgemm(scheme, kind):
    """The codes are FBGEMM's, which for INT8 rounds scale and offset only after choosing codes."""
    torch = pytest.importorskip("torch")
    kind = getattr(pytest.importorskip("fbgemm_gpu.split_embedding_configs").SparseType, kind)
    quantize_embs = pytest.importorskip("fbgemm_gpu.tbe.utils.quantize").quantize_embs
    compared = []
    for narrow in tables(TABLES):
        table = width_of_blocks(narrow, 4)
        packed, ends = (t.numpy() for t in quantize_embs(torch.tensor(table), kind))
        codes = packed
        if codes.shape != table.shape:  # Two codes in a byte.
            codes = np.stack([packed & 15, packed >> 4], -1).reshape(table.shape)
        stored = store(table, SCHEMES[scheme])
        # FBGEMM has another scale for a row of one level, or whose lowest level is above it.
        apart = (table.max(1, keepdims=True) <= stored.grid.offset) | (stored.grid.scale == 0)
        spread = np.maximum(np.ptp(table, axis=1, keepdims=True), FBGEMM_EPSILON)
        near = TIE + 255 * FBGEMM_EPSILON / spread
        compared.append(assert_codes(codes, table, scheme, near, apart))
        kept = np.stack([stored.grid.scale[:, 0], stored.grid.offset[:, 0]], 1).astype(np.float16)
        differs = ~np.isclose(ends.view(np.float16), kept, rtol=2e-3, atol=1e-7)
        assert not (differs & ~apart[:, :1]).any()
    assert np.mean(compared) > 0.8


@pytest.mark.parametrize(("scheme", "bits"), [("mxfp8-block32", 8), ("mxfp4-block32", 4)])
def test_levels_are_those_of_mlx(scheme, bits):
    """The levels are MLX's, whose scale is the allowed one that reaches all numbers."""
    mx = pytest.importorskip("mlx.core")
    numbers = np.array(SCHEMES[scheme].numbers)
    for narrow in tables(TABLES):
        table = width_of_blocks(narrow)
        given = {"group_size": 32, "bits": bits, "mode": f"mxfp{bits}"}
        codes, kept = mx.quantize(mx.array(table), **given)
        levels = np.array(mx.dequantize(codes, kept, **given, dtype=mx.float32))
        scale = np.exp2(np.array(kept).astype(np.float64) - 127).repeat(32, 1)
        np.testing.assert_array_equal(scale, grids_of(table, SCHEMES[scheme])[1].scale)
        nearest = np.abs(numbers * scale[..., None] - table[..., None].astype(np.float64)).min(-1)
        np.testing.assert_array_equal(np.abs(levels.astype(np.float64) - table), nearest)


def test_codes_are_those_of_the_converter_of_litert():
    """The codes are those of LiteRT's converter, for tables of 1,024 elements or more.

    A conversion is slow, so a twentieth of the tables are compared.
    """
    tf = pytest.importorskip("tensorflow")
    interpreters = pytest.importorskip("ai_edge_litert.interpreter")
    compared = []
    for narrow in tables(TABLES // 20):
        table = np.tile(narrow, (1024, 1))[: -(-1024 // narrow.shape[1])]
        held = tf.Module()
        held.table = tf.Variable(table)
        look_up = tf.function(lambda indices, held=held: tf.gather(held.table, indices))
        given = look_up.get_concrete_function(tf.TensorSpec([None], tf.int64))
        converter = tf.lite.TFLiteConverter.from_concrete_functions([given], held)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        interpreter = interpreters.Interpreter(model_content=converter.convert())
        interpreter.allocate_tensors()
        kept = [t for t in interpreter.get_tensor_details() if t["dtype"] == np.int8]
        codes = interpreter.get_tensor(kept[0]["index"]).astype(int) + 127
        compared.append(assert_codes(codes, table, "int8-table"))
    assert np.mean(compared) > 0.95
