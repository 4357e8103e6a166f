"""What recipes add up is what a plain loop adds up, and what fits nothing is refused."""

from __future__ import annotations

import numpy as np
import pytest

from embcheck.conformance.suite.array_parser import ArraySpecError, parse_array


def made(recipe: dict[str, object], dtype: str = "float32") -> list[object]:
    """Make the array of a recipe, as nested lists."""
    values: list[object] = parse_array(recipe, dtype).array().tolist()
    return values


def test_counts_add_up_the_rows_beside_their_names() -> None:
    """Each row gets what stands beside its names; a name beyond the shape is left out."""
    recipe = {"generator": "counts", "of": [2, 0, 2, 3], "shape": [3, 2]}
    adds = {"dtype": "int64", "values": [[1, 2], [3, 4], [5, 6], [90, 91]]}
    assert made({**recipe, "adds": adds}) == [[3, 4], [0, 0], [6, 8]]


def test_counts_add_up_wide_rows_as_they_do_narrow_ones() -> None:
    """Few wide rows are added up another way than many narrow ones, to the same sums."""
    names, rows = [1, 0, 1], np.arange(30).reshape(3, 10)
    recipe = {"generator": "counts", "of": names, "shape": [2, 10]}
    adds = {"dtype": "int64", "values": rows.tolist()}
    assert made({**recipe, "adds": adds}) == [rows[1].tolist(), (rows[0] + rows[2]).tolist()]


def test_factors_multiply_the_rows_of_digits() -> None:
    """Each row of digits is multiplied by its own factor, whole or not."""
    recipe = {"generator": "digits", "base": 7, "rows": [1, 8], "shape": [2, 2]}
    factors = {"dtype": "float64", "values": [2, 0.5]}
    assert made({**recipe, "factors": factors}) == [[2, 2], [0.5, 1]]


def test_positions_lie_in_the_bag_that_began_last() -> None:
    """Of bags that begin at the same place, the last one has what stands there."""
    recipe = {"generator": "bags", "offsets": [0, 2, 2, 5], "shape": [6]}
    assert made(recipe, "int64") == [0, 0, 2, 2, 2, 3]


def test_rows_to_add_must_be_as_many_as_their_names() -> None:
    """A recipe whose parts do not fit is refused, with the shape that would."""
    recipe = {"generator": "counts", "of": [2, 0, 2], "adds": [[1]], "shape": [3, 4]}
    with pytest.raises(ArraySpecError) as caught:
        parse_array(recipe, "float32")
    assert caught.value.remedy == "make it [3, 4]"
