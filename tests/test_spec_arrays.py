"""Arrays of specs have the numbers that are stated, and refuse parts that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from embcheck.conformance.suite.array_parser import ArraySpecError, parse_array


def made(recipe: object, dtype: str = "float32") -> list[object]:
    """Return the array of a spec as nested lists."""
    values: list[object] = parse_array(recipe, dtype).array().tolist()
    return values


def test_counts_add_up_the_rows_beside_their_names() -> None:
    """`counts` adds each row of `adds` to the row its index names, and ignores larger indices."""
    recipe = {"generator": "counts", "of": [2, 0, 2, 3], "shape": [3, 2]}
    adds = {"dtype": "int64", "values": [[1, 2], [3, 4], [5, 6], [90, 91]]}
    assert made({**recipe, "adds": adds}) == [[3, 4], [0, 0], [6, 8]]


def test_counts_add_up_wide_rows_as_they_do_narrow_ones() -> None:
    """`counts` gives the same sums for few wide rows, which are added in another way."""
    names, rows = [1, 0, 1], np.arange(30).reshape(3, 10)
    recipe = {"generator": "counts", "of": names, "shape": [2, 10]}
    adds = {"dtype": "int64", "values": rows.tolist()}
    assert made({**recipe, "adds": adds}) == [rows[1].tolist(), (rows[0] + rows[2]).tolist()]


def test_factors_multiply_the_rows_of_digits() -> None:
    """`factors` multiplies each row of digits by its own factor."""
    recipe = {"generator": "digits", "base": 7, "rows": [1, 8], "shape": [2, 2]}
    factors = {"dtype": "float64", "values": [2, 0.5]}
    assert made({**recipe, "factors": factors}) == [[2, 2], [0.5, 1]]


def test_positions_lie_in_the_bag_that_began_last() -> None:
    """`bags` gives each position the last bag that begins at or before it."""
    recipe = {"generator": "bags", "offsets": [0, 2, 2, 5], "shape": [6]}
    assert made(recipe, "int64") == [0, 0, 2, 2, 2, 3]


def test_rows_to_add_must_be_as_many_as_their_names() -> None:
    """`adds` of another shape than needed is refused, with the right shape."""
    recipe = {"generator": "counts", "of": [2, 0, 2], "adds": [[1]], "shape": [3, 4]}
    with pytest.raises(ArraySpecError) as caught:
        parse_array(recipe, "float32")
    assert caught.value.remedy == "make it [3, 4]"


@pytest.mark.parametrize(
    ("recipe", "fits"),
    [
        ({"modulo": 100, "step": 50, "shape": [10]}, True),
        ({"modulo": 300, "step": 50, "shape": [3]}, True),
        ({"modulo": 300, "step": 50, "shape": [4]}, False),
        ({"modulo": 300, "start": -1, "shape": [2]}, False),
        ({"modulo": 300, "start": 100, "each": 9, "shape": [20]}, True),
        ({"modulo": 1 << 40, "step": 3, "shape": [1 << 30]}, False),
    ],
)
def test_remainders_must_fit_in_the_dtype(recipe: dict[str, object], fits: bool) -> None:
    """`arange` with `modulo` is refused if one of its numbers does not fit, however it is made."""
    spec = {"generator": "arange", **recipe}
    if fits:
        numbers = np.array(made(spec, "int8"))
        assert ((numbers >= 0) & (numbers < 128)).all()
    else:
        with pytest.raises(ArraySpecError, match="does not fit in int8"):
            parse_array(spec, "int8")


def test_whole_numbers_around_two_to_the_63_are_not_rounded() -> None:
    """Beside a small number, 2**63 is refused as int64 and exact as uint64, not rounded."""
    for other in (0, -1):
        with pytest.raises(ArraySpecError, match="does not fit in int64"):
            parse_array([other, 2**63], "int64")
    assert made([0, 2**63 + 1, 2**64 - 1], "uint64") == [0, 2**63 + 1, 2**64 - 1]
    with pytest.raises(ArraySpecError, match="does not fit in uint64"):
        parse_array([-1, 2**63], "uint64")
