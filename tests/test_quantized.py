"""The reference quantizes tables as libraries do, within the bounds of the schemes."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from embcheck.backends.reference.definition.stored import store
from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.contract.schemes import SCHEMES, Range, ends_of
from embcheck.conformance.execution.judging.bounds import WIDEST, bound_of
from embcheck.conformance.execution.judging.stored import errors_of, reach_of
from embcheck.conformance.suite.levels import levels_of

TABLES = int(os.environ.get("EMBCHECK_STORED_TABLES", "100"))
"""How many generated tables are compared with each library's quantization."""
TIE = 1e-3
"""How near to the middle of a step, in steps, either of two codes is right."""


def tables(count, multiple=1):
    """Yield tables of various spreads, with widths that are a multiple of `multiple`.

    Some are far from 0; each has an outlier and a row of one number.
    """
    random = np.random.default_rng(21)
    for _ in range(count):
        rows, columns = random.integers(1, 20), random.integers(1, 40)
        columns += -columns % multiple
        table = random.normal(size=(rows, columns)) * 10.0 ** random.uniform(-3, 2)
        table += random.choice([0.0, 0.0, 5.0, -300.0])
        table[random.integers(rows)] = random.normal()
        table[random.integers(rows), random.integers(columns)] *= 50
        yield table.astype(np.float32)


@pytest.mark.parametrize(
    ("scheme", "pack"),
    [("uint8-row", "embedding_bag_byte_prepack"), ("uint4-row", "embedding_bag_4bit_prepack")],
)
def test_codes_are_those_that_pytorch_packs(scheme, pack):
    """The codes are those that PyTorch packs, except near ties."""
    torch = pytest.importorskip("torch")
    for table in tables(TABLES, multiple=2):
        stored = store(table, SCHEMES[scheme])
        packed = getattr(torch.ops.quantized, pack)(torch.from_numpy(table)).numpy()
        width = table.shape[1]
        if scheme == "uint8-row":
            codes = packed[:, :width]
        else:
            codes = np.stack([packed & 15, packed >> 4], -1)[:, : width // 2].reshape(-1, width)
        offset, scale = stored.grid.offset, stored.grid.scale
        exact = (table.astype(np.float64) - offset) / np.where(scale > 0, scale, 1.0)
        is_tie = np.abs(exact % 1 - 0.5) < TIE
        # PyTorch has a negative scale for a row whose lowest level was rounded above its numbers.
        is_tie |= table.max(1, keepdims=True) <= offset
        np.testing.assert_array_equal(np.where(is_tie, 0, codes), np.where(is_tie, 0, stored.codes))


def near_a_tie(table, stored, scheme):
    """Return which elements, or the codes of 0, are near the middle between two levels."""
    scale = np.where(stored.grid.scale == 0, 1.0, stored.grid.scale)
    exact = (table.astype(np.float64) - stored.grid.offset) / scale
    above = np.clip(np.searchsorted(stored.numbers, exact), 1, len(stored.numbers) - 1)
    below, above = stored.numbers[above - 1], stored.numbers[above]
    wide = TIE if scheme.scale_dtype == "float32" else 2**-11 * scheme.numbers[-1]
    is_tie = np.abs((exact - below) / (above - below) - 0.5) < wide
    if scheme.scale_dtype == "float16":  # torchao multiplies by the inverse, in float16 too.
        is_tie |= 1 / scale > np.finfo(np.float16).max
    if scheme.range is Range.WITH_ZERO:
        lowest, highest = ends_of(table, scheme)
        span = np.maximum(highest, 0) - np.minimum(lowest, 0)
        is_tie |= np.abs(lowest / span * scheme.numbers[-1] % 1 - 0.5) < TIE
    return is_tie


def assert_same_codes(name, pairs):
    """Compare the reference's codes with a library's, given pairs of a table and codes.

    Elements near a tie, less than half, are left out.
    """
    ties = []
    for table, codes in pairs:
        stored = store(table, SCHEMES[name])
        is_tie = near_a_tie(table, stored, SCHEMES[name])
        ties.append(is_tie.mean())
        np.testing.assert_array_equal(np.where(is_tie, 0, codes), np.where(is_tie, 0, stored.codes))
    assert np.mean(ties) < 0.5


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    "name",
    [
        *("int8-full-row", "int4-full-block32", "uint4-zero-block32", "uint8-zero-row"),
        *("float8-row", "float8-table"),
    ],
)
def test_codes_are_those_of_torchao(name):
    """The codes are torchao's; its lowest integer, or the scheme's lowest float, is code 0."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchao")
    adapter = import_module("embcheck.backends.on_torch.torchao_modules")
    scheme, pairs = SCHEMES[name], []
    for table in tables(TABLES, multiple=scheme.block or 2):
        model = torch.nn.Sequential(torch.nn.Embedding.from_pretrained(torch.from_numpy(table)))
        config = adapter._CONFIGS[name]
        adapter.quantize_(model, config, filter_fn=lambda module, _: hasattr(module, "weight"))
        codes = model[0].weight.qdata
        if scheme.numbers[-1] == 448:
            codes = np.searchsorted(scheme.numbers, codes.float().numpy())
        else:
            codes = codes.numpy().astype(int) + len(scheme.numbers) // 2
        pairs.append((table, codes))
    assert_same_codes(name, pairs)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["int8-row", "nf4-block64", "fp4-block64"])
def test_codes_are_those_of_bitsandbytes(name):
    """The codes are those of bitsandbytes, which rounds tables to float16 for 8 bits."""
    torch = pytest.importorskip("torch")
    bitsandbytes = pytest.importorskip("bitsandbytes")
    adapter = import_module("embcheck.backends.on_torch.bitsandbytes_modules")
    numbers, found = np.array(SCHEMES[name].numbers), []
    for table in tables(TABLES):
        if name == "int8-row":
            table = table.astype(np.float16).astype(np.float32)  # noqa: PLW2901
        module = getattr(bitsandbytes.nn, adapter._MODULES[name])(*table.shape)
        module.load_state_dict({"weight": torch.from_numpy(table)})
        codes = module.to("cpu").weight.data.numpy()
        if name == "int8-row":
            codes = codes.astype(int) + 127
        else:
            named = bitsandbytes.functional.get_4bit_type(name[:3], device="cpu").numpy()
            pairs = np.stack([codes >> 4, codes & 15], -1).reshape(-1)[: table.size]
            codes = np.abs(named[pairs][:, None] - numbers).argmin(1).reshape(table.shape)
        found.append((table, codes))
    assert_same_codes(name, found)


def in_blocks(table, scheme):
    """Return the codes of ONNX Runtime's quantizer for GatherBlockQuantized."""
    quantizer = pytest.importorskip("onnxruntime.quantization.matmul_nbits_quantizer")
    quantize = quantizer.DefaultWeightOnlyQuantizer.quantize_ndarray
    packed, _, _ = quantize(table, 1, scheme.block, scheme.range is Range.SIGNED)
    codes = np.stack([packed & 15, packed >> 4], -1).reshape(-1)[: table.size].astype(int)
    is_signed = scheme.numbers[0] < 0
    return (codes ^ 8 if is_signed else codes).reshape(table.shape)


def by_table(table, scheme):
    """Return the codes of ONNX Runtime's `quantize_data`, which its quantizers use."""
    onnx = pytest.importorskip("onnx")
    utils = pytest.importorskip("onnxruntime.quantization.quant_utils")
    is_symmetric = scheme.range is Range.SYMMETRIC
    kind = onnx.TensorProto.INT8 if is_symmetric else onnx.TensorProto.UINT8
    codes = utils.quantize_data(table, kind, symmetric=is_symmetric)[-1]
    return codes.astype(int) - int(scheme.numbers[0])


def by_nncf(table, scheme):
    """Return the codes of NNCF's `compress_weights`."""
    nncf = pytest.importorskip("nncf")
    lowering = pytest.importorskip(
        "nncf.quantization.algorithms.weight_compression.weight_lowering"
    )
    size = f"INT{len(scheme.numbers).bit_length() - 1}"
    mode = f"{size}_{'SYM' if scheme.range is Range.SIGNED else 'ASYM'}"
    config = lowering.WeightCompressionConfig(
        nncf.CompressWeightsMode[mode], group_size=scheme.block or -1
    )
    weight = import_module("nncf.tensor").Tensor(table)
    codes = lowering.do_integer_quantization(weight, config, (1,)).tensor.data
    return codes.reshape(table.shape).astype(int) - int(scheme.numbers[0])


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("int4-signed-block32", in_blocks),
        ("uint4-zero-block32", in_blocks),
        ("int8-table", by_table),
        ("uint8-table", by_table),
        ("uint8-zero-row", by_nncf),
        ("int8-signed-row", by_nncf),
        ("int4-signed-half-block32", by_nncf),
        ("uint4-zero-half-block32", by_nncf),
    ],
)
def test_codes_are_those_of_the_libraries(name, pack):
    """The codes are those of ONNX Runtime and NNCF, except near ties."""
    scheme = SCHEMES[name]
    compared = 0
    for table in tables(TABLES, multiple=32 if pack is by_nncf and scheme.block else 1):
        codes = pack(table, scheme)
        # NNCF rounds scales to float16 only after choosing the codes.
        stored = store(table, replace(scheme, scale_dtype="float32"))
        scale = np.where(stored.grid.scale == 0, 1.0, stored.grid.scale)
        exact = (table.astype(np.float64) - stored.grid.offset) / scale
        skipped = np.abs(exact % 1 - 0.5) < TIE
        lowest, highest = ends_of(table, scheme)
        if scheme.range is Range.WITH_ZERO:
            skipped |= np.abs((np.minimum(lowest, 0) / scale) % 1 - 0.5) < TIE
        if pack is by_nncf:
            # NNCF has a least scale, and a known fault: see its deviations.
            skipped |= np.abs(scale) < np.finfo(np.float32).eps
            skipped |= (scheme.range is Range.SIGNED) & (lowest == highest) & (lowest > 0)
        # If both ends are almost equal in size, either may be the lowest level.
        if scheme.range is Range.SIGNED:
            skipped |= np.abs(highest + lowest) < TIE * np.abs(highest - lowest)
        np.testing.assert_array_equal(
            np.where(skipped, 0, codes), np.where(skipped, 0, stored.codes)
        )
        compared += (~skipped).sum()
    assert compared > 100 * TABLES


@pytest.mark.parametrize("name", SCHEMES)
def test_the_reference_is_within_the_bound_of_its_scheme_and_reaches_it(name):
    """The reference's errors are within the scheme's bound, and some nearly reach it."""
    largest = 0.0
    for table in tables(TABLES):
        scheme = SCHEMES[name]
        errors = np.abs(store(table, scheme).levels(table.dtype).astype(np.float64) - table)
        allowed = errors_of(table, scheme)
        assert (errors <= allowed).all()
        largest = max(largest, float((errors[allowed > 0] / allowed[allowed > 0]).max(initial=0)))
    # With a float16 scale, the worst roundings seldom coincide.
    assert largest > (0.9 if scheme.scale_dtype == "float32" else 0.8)


MOVED = {"int8-full-row", "int4-full-block32", "mxfp8-block32", "mxfp4-block32"}
"""Schemes whose levels may miss the ends of a group, so that quantizing again changes the scale."""


@pytest.mark.parametrize("name", [name for name in SCHEMES if name not in MOVED])
def test_levels_are_their_own_nearest_levels(name):
    """Quantizing a quantized table again changes no codes."""
    scheme, same = SCHEMES[name], []
    for table in tables(TABLES):
        once = store(table, scheme)
        again = store(once.levels(table.dtype), scheme)
        # Scale and offset in float16 may miss an end of the group by half a step.
        grids = np.stack([once.grid.scale, once.grid.offset, again.grid.scale, again.grid.offset])
        is_same = (np.abs(grids[:2] - grids[2:]) < 1e-5 * np.abs(grids[:2]) + 1e-12).all(0)
        is_same |= scheme.scale_dtype != "float16"
        np.testing.assert_array_equal(once.codes[is_same], again.codes[is_same])
        same.append(is_same.mean())
    assert np.mean(same) > 0.5


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bounds_of_bags_are_far_below_what_they_measure(name, mode):
    """The bounds of quantized bags are honest, and below an eighth of the result."""
    table = next(iter(tables(1)))
    indices = np.arange(len(table))
    inputs = {"weight": table, "indices": indices, "offsets": np.array([0, len(table) // 2])}
    call = Call(Operation.QUANTIZED_EMBEDDING_BAG, inputs, {"scheme": name, "mode": mode})
    bound = bound_of(Observation.OUTPUT, call, np.zeros((2, table.shape[1]), np.float32))
    assert bound.is_honest
    assert 0 < bound.width(np.zeros((2, table.shape[1]))) < WIDEST


def test_a_small_row_has_its_own_error_beside_a_large_one():
    """By row, a bound depends on the row alone; by table, on the largest number."""
    table = np.array([[1000.0, -1000.0], [0.5, -0.5]], np.float32)
    by_row, by_table = (errors_of(table, SCHEMES[name]) for name in ("int8-row", "int8-table"))
    assert by_row[1, 0] == pytest.approx(by_row[0, 0] / 2000, rel=1e-3)
    assert by_table[1, 0] == by_table[0, 0]
    assert (reach_of(table, SCHEMES["int8-row"])[:, 0] == [2000.0, 1.0]).all()


def test_an_infinite_number_leaves_its_row_without_a_bound():
    """A row with an infinite number has a bound of zero, and other rows keep theirs."""
    table = np.array([[np.inf, 1.0], [1.0, 2.0]], np.float32)
    call = Call(
        Operation.QUANTIZED_EMBEDDING,
        {"weight": table, "indices": np.array([0, 1])},
        {"scheme": "uint8-row"},
    )
    allowed = bound_of(Observation.OUTPUT, call, table).allowed
    assert (allowed[0] == 0).all()
    assert (allowed[1] > 0).all()


FULL = {"int8-full-row", "int4-full-block32"}
"""Schemes in which no level equals the largest element."""


@pytest.mark.parametrize("name", [name for name in SCHEMES if name not in FULL])
def test_a_table_in_levels_is_stored_by_the_codes_that_were_given(name):
    """A table made from codes gets the same codes again, if each group contains both ends."""
    scheme = SCHEMES[name]
    random, highest = np.random.default_rng(22), len(scheme.numbers) - 1
    unit = 12.0 if name == "fp4-block64" else 1.0
    for columns in (2, 32, 33, 64, 96, 130):
        codes = random.integers(0, highest + 1, (4, columns))
        codes[:, ::2], codes[:, 1::2] = 0, highest
        codes[:, 2:-2:5] = random.integers(0, highest + 1, codes[:, 2:-2:5].shape)
        scales = np.asarray(unit * 2.0 ** random.integers(-3, 4, scheme.scales_shape(4, columns)))
        offsets = None if scheme.keeps_zero and scheme.numbers[0] < 0 else -scales * (highest // 3)
        if columns % 2 and scheme.block:  # A block of one element lacks one end.
            continue
        table = levels_of(scheme, codes, scales, offsets, np.dtype(np.float32))
        stored = store(table, scheme)
        np.testing.assert_array_equal(stored.codes, codes)
        np.testing.assert_array_equal(stored.levels(table.dtype), table)
