"""The reference stores tables as libraries pack them, and bounds are those of their schemes."""

from __future__ import annotations

import os

import numpy as np
import pytest

from embcheck.backends.reference.definition.stored import store
from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.contract.schemes import SCHEMES
from embcheck.conformance.execution.judging.bounds import WIDEST, bound_of
from embcheck.conformance.execution.judging.stored import errors_of, reach_of

TABLES = int(os.environ.get("EMBCHECK_STORED_TABLES", "100"))
"""How many generated tables are compared with each library's packing."""
TIE = 1e-3
"""How near to the middle of a step either of two codes is right."""


def tables(count, even=False):
    """Yield tables of many widths and spreads: far from 0, with outliers, and of one number."""
    random = np.random.default_rng(21)
    for _ in range(count):
        rows, columns = random.integers(1, 20), random.integers(1, 40)
        columns += columns % 2 if even else 0
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
    """But where an element lies in the middle between two levels."""
    torch = pytest.importorskip("torch")
    for table in tables(TABLES, even=True):
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
        # PyTorch gives a row whose lowest level was rounded above its numbers a negative scale.
        is_tie |= table.max(1, keepdims=True) <= offset
        np.testing.assert_array_equal(np.where(is_tie, 0, codes), np.where(is_tie, 0, stored.codes))


@pytest.mark.parametrize("name", SCHEMES)
def test_the_reference_is_within_the_bound_of_its_scheme_and_reaches_it(name):
    """A bound that nobody comes near would admit another scheme's errors."""
    largest = 0.0
    for table in tables(TABLES):
        scheme = SCHEMES[name]
        errors = np.abs(store(table, scheme).levels(table.dtype).astype(np.float64) - table)
        allowed = errors_of(table, scheme)
        assert (errors <= allowed).all()
        largest = max(largest, float((errors[allowed > 0] / allowed[allowed > 0]).max(initial=0)))
    # Where the scale is a float16, the worst roundings of all seldom come together.
    assert largest > (0.9 if scheme.scale_dtype == "float32" else 0.8)


MOVED = {"int8-full-row", "int4-full-block32", "mxfp8-block32", "mxfp4-block32"}
"""Schemes whose levels need not have the ends of the group, and so give another scale again."""


@pytest.mark.parametrize("name", [name for name in SCHEMES if name not in MOVED])
def test_levels_are_their_own_nearest_levels(name):
    """So that storing a stored table again changes nothing."""
    scheme, same = SCHEMES[name], []
    for table in tables(TABLES):
        once = store(table, scheme)
        again = store(once.levels(table.dtype), scheme)
        # Rounded to float16, scale and offset may miss an end of the group by half a step.
        grids = np.stack([once.grid.scale, once.grid.offset, again.grid.scale, again.grid.offset])
        is_same = (np.abs(grids[:2] - grids[2:]) < 1e-5 * np.abs(grids[:2]) + 1e-12).all(0)
        is_same |= scheme.scale_dtype != "float16"
        np.testing.assert_array_equal(once.codes[is_same], again.codes[is_same])
        same.append(is_same.mean())
    assert np.mean(same) > 0.5


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bounds_of_bags_are_far_below_what_they_measure(name, mode):
    """A bound of an eighth or more would tell right from wrong no longer."""
    table = next(iter(tables(1)))
    indices = np.arange(len(table))
    inputs = {"weight": table, "indices": indices, "offsets": np.array([0, len(table) // 2])}
    call = Call(Operation.QUANTIZED_EMBEDDING_BAG, inputs, {"scheme": name, "mode": mode})
    bound = bound_of(Observation.OUTPUT, call, np.zeros((2, table.shape[1]), np.float32))
    assert bound.is_honest
    assert 0 < bound.width(np.zeros((2, table.shape[1]))) < WIDEST


def test_a_small_row_has_its_own_error_beside_a_large_one():
    """By row, a bound follows from the row alone; by table, from the largest number."""
    table = np.array([[1000.0, -1000.0], [0.5, -0.5]], np.float32)
    by_row, by_table = (errors_of(table, SCHEMES[name]) for name in ("int8-row", "int8-table"))
    assert by_row[1, 0] == pytest.approx(by_row[0, 0] / 2000, rel=1e-3)
    assert by_table[1, 0] == by_table[0, 0]
    assert (reach_of(table, SCHEMES["int8-row"])[:, 0] == [2000.0, 1.0]).all()


def test_an_infinite_number_leaves_its_row_without_a_bound():
    """Nothing is allowed there, and the other rows keep their own."""
    table = np.array([[np.inf, 1.0], [1.0, 2.0]], np.float32)
    call = Call(
        Operation.QUANTIZED_EMBEDDING,
        {"weight": table, "indices": np.array([0, 1])},
        {"scheme": "uint8-row"},
    )
    allowed = bound_of(Observation.OUTPUT, call, table).allowed
    assert (allowed[0] == 0).all()
    assert (allowed[1] > 0).all()
