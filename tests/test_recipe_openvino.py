"""The flag of the recipe for OpenVINO, which the suite does not look at."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("openvino")

from embcheck.backends.recipes import with_openvino

TABLE = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize(("index", "row"), [(4, 3), (-1, 0), (2**31 - 1, 3), (-(2**31), 0)])
def test_an_index_outside_is_moved_into_the_table_and_flagged(dtype, index, row):
    """A lookup takes the nearest row, and so do bags."""
    rows, moved = with_openvino.embedding(TABLE, clamp=True)(np.array([[2, index]], dtype))
    np.testing.assert_array_equal(rows, TABLE[[[2, row]]])
    bags, also = with_openvino.embedding_bag(TABLE, "sum", clamp=True)(
        np.array([[2, index]], dtype)
    )
    np.testing.assert_array_equal(bags, [TABLE[2] + TABLE[row]])
    assert moved
    assert also


def test_indices_inside_are_not_flagged():
    """No more than what 32 bits hide of larger ones, as the recipe says."""
    look_up, pool = (
        with_openvino.embedding(TABLE, clamp=True),
        with_openvino.embedding_bag(TABLE, "max", clamp=True),
    )
    for indices in (np.array([0, 3]), np.array([], np.int64), np.array([2**32 + 1])):
        assert look_up(indices)[1] is False
        assert pool(indices, np.zeros(1, np.int64))[1] is False
    assert len(look_up(np.array([], np.int64))[0]) == 0
    with pytest.raises(IndexError):
        with_openvino.embedding(TABLE)(np.array([2**32 + 1]))
