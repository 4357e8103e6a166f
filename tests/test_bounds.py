"""The error bounds accept every honest summation, and refuse wrong precisions and wrong results.

Power: n equal terms halfway between two numbers of a coarser precision are each rounded by its unit
roundoff v, all in the same direction. The bound is (n + 1) * u of the sum, or zero where that sum
is exact. So the coarser precision is refused if (n + 1) * u < v. This holds for thousands of terms
of half precision in place of single (v / u = 2**13), but only for six of bfloat16 in place of half
(2**3).

Long sums: where that bound would reach an eighth of the sum of the terms, pairwise addition and
addition in single precision pass. A sum that has stopped growing is refused.
"""

from __future__ import annotations

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from embcheck.backends.reference.numpy_reference import NumpyReference
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.judging.bounds import WIDEST, bound, bound_of
from embcheck.conformance.execution.judging.judge import judge_bounds, known_values
from embcheck.conformance.execution.judging.shortened import shortened
from embcheck.conformance.execution.judging.terms import quantum_of, unit_roundoff
from embcheck.conformance.execution.judging.verdict import Outcome
from embcheck.conformance.fuzzing.elements import WEIGHT_DTYPES
from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.conformance.suite.model import FromReference, Level, Rejects, Returns, Steps

QUICK = settings(database=None, derandomize=True, deadline=None, max_examples=150)
numbers = st.floats(-1000, 1000, allow_subnormal=False, width=16) | st.integers(-9, 9)


@st.composite
def bags(draw, mode="sum", weighted=False):
    """Draw a call that reduces all rows of a table of one column to one bag."""
    dtype = draw(st.sampled_from(WEIGHT_DTYPES))
    rows = draw(st.lists(numbers, min_size=1, max_size=28))
    if draw(st.booleans()):
        rows = list(np.random.default_rng(len(rows)).standard_normal(len(rows)) * rows)
    weight = np.array(rows, np.float64).astype(dtype)[:, None]
    factors = {}
    if weighted:
        some = np.random.default_rng(len(rows) + 1).standard_normal(len(rows))
        factors["per_sample_weights"] = some.astype(dtype)[None]
    return reducing(weight, mode, **factors)


def reducing(weight, mode="sum", **inputs):
    """Return a call that reduces all rows of a weight to one bag."""
    arrays = {"weight": weight, "indices": np.arange(len(weight))[None], **inputs}
    return Call(Operation.EMBEDDING_BAG, arrays, {"mode": mode})


def terms_of(call):
    """Return the terms of the sum as exact fractions."""
    factors = call.inputs.get("per_sample_weights", np.ones((1, len(call.inputs["weight"]))))
    pairs = zip(call.inputs["weight"][:, 0], factors[0], strict=True)
    return [Fraction(float(row)) * Fraction(float(factor)) for row, factor in pairs]


def rounded(call, exact):
    """Round an exact number to the dtype of a call's weight; return an array of shape (1, 1)."""
    return np.array([[float(exact)]]).astype(call.inputs["weight"].dtype)


def passes(call, result):
    """Whether a result is within the bound around the correctly rounded sum or mean."""
    total = sum(terms_of(call))
    size = len(call.inputs["weight"]) if call.options["mode"] == "mean" else 1
    expected = rounded(call, total / size)
    got = np.asarray(result).reshape(1, 1)
    difference = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    return bool((difference <= bound("output", call, expected)).all())


def add(terms, dtype):
    """Add from left to right, rounding each sum to a dtype."""
    total = np.zeros((), dtype)
    for term in terms:
        total = (total + term.astype(dtype)).astype(dtype)
    return total


def pairwise(terms, dtype):
    """Add in pairs, then pairs of pairs, and so on."""
    if len(terms) == 1:
        return terms[0].astype(dtype)
    middle = len(terms) // 2
    halves = pairwise(terms[:middle], dtype) + pairwise(terms[middle:], dtype)
    return halves.astype(dtype)


def shuffled(terms, dtype):
    """Add in a random order."""
    return add(np.random.default_rng(0).permutation(terms), dtype)


def wide(terms, dtype):
    """Add in float64, and round once at the end."""
    return add(terms, np.float64).astype(dtype)


ORDERS = [add, lambda terms, dtype: add(terms[::-1], dtype), pairwise, shuffled, wide]


@QUICK
@given(bags())
def test_the_correctly_rounded_sum_passes(call):
    """The exact sum (math.fsum), rounded to the dtype, passes."""
    total = math.fsum(call.inputs["weight"][:, 0].astype(np.float64))
    assert passes(call, rounded(call, total))


@pytest.mark.parametrize("order", ORDERS, ids=["forwards", "backwards", "pairs", "mixed", "wide"])
@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_every_order_of_summation_passes(order, mode):
    """Sums in any order pass, computed in the dtype or a wider one."""

    @QUICK
    @given(bags(mode))
    def check(call):
        rows = call.inputs["weight"][:, 0]
        total = order(rows, rows.dtype)
        if mode == "mean":
            divisor, one = np.array(len(rows), rows.dtype), np.array(1, rows.dtype)
            assert passes(call, total / divisor)
            assert passes(call, total * (one / divisor))
            assert passes(call, order((rows / divisor).astype(rows.dtype), rows.dtype))
        else:
            assert passes(call, total)

    check()


@pytest.mark.parametrize("order", ORDERS, ids=["forwards", "backwards", "pairs", "mixed", "wide"])
def test_every_order_of_weighted_summation_passes(order):
    """Weighted sums pass whether products are rounded before they are added, or fused."""

    @QUICK
    @given(bags(weighted=True))
    def check(call):
        rows, factors = call.inputs["weight"][:, 0], call.inputs["per_sample_weights"][0]
        assert passes(call, order((rows * factors).astype(rows.dtype), rows.dtype))
        fused = rows.astype(np.float64) * factors.astype(np.float64)
        assert passes(call, add(fused, np.float64).astype(rows.dtype))

    check()


WRONG_PRECISIONS = [
    (np.float64, np.float32, 1000),
    (np.float32, np.float16, 1000),
    (np.float32, ml_dtypes.bfloat16, 1000),
    (np.float16, ml_dtypes.bfloat16, 6),
]
EVERYDAY_PRECISIONS = [(right, wrong) for right, wrong, _ in WRONG_PRECISIONS[:3]]


@pytest.mark.parametrize(("right", "wrong", "most"), WRONG_PRECISIONS)
@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_a_wrong_precision_is_refused(right, wrong, mode, most):
    """Terms rounded to a coarser precision are refused, up to `most` terms.

    The terms lie halfway between two numbers of the coarser precision, where rounding is worst.
    """
    halfway = np.dtype(right).type(1 + unit_roundoff(np.dtype(wrong)))
    most = most if mode == "sum" else min(most, 4)
    for terms in sorted({1, 2, 3, min(4, most), most}):
        call = reducing(np.full((terms, 1), halfway), mode)
        coarse = np.full(terms, halfway).astype(wrong).astype(np.float64).sum()
        divisor = terms if mode == "mean" else 1
        assert not passes(call, np.array(coarse / divisor).astype(right)), terms


@pytest.mark.parametrize(("right", "wrong"), EVERYDAY_PRECISIONS)
def test_a_wrong_accumulator_is_refused_on_everyday_data(right, wrong):
    """Normally distributed rows that are summed in a coarser precision fail in most columns."""
    weight = np.random.default_rng(0).standard_normal((64, 32)).astype(right)
    expected = weight.astype(np.float64).sum(axis=0, keepdims=True).astype(right)
    coarse = np.zeros(32, wrong)
    for row in weight:
        coarse = (coarse + row.astype(wrong)).astype(wrong)
    off = np.abs(coarse.astype(np.float64) - expected.astype(np.float64))
    assert (off > bound("output", reducing(weight), expected)).mean() > 0.9


@pytest.mark.parametrize("dtype", WEIGHT_DTYPES, ids=str)
@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 10])
def test_a_dropped_term_and_a_wrong_divisor_are_refused(dtype, mode, rows):
    """A dropped row, and a divisor too large by one, are refused for bags of up to ten rows.

    A wrong divisor changes a mean of n equal rows by about 1 / n of it, and the bound is (n + 3) *
    u of it. So a wrong divisor is refused if n * (n + 4) * u < 1: up to 14 rows in bfloat16, 43 in
    half, 4000 in single precision.
    """
    weight = (1 + np.arange(rows)[:, None] / 16).astype(dtype)
    call = reducing(weight, mode)
    exact = [float(term) for term in terms_of(call)]
    size = rows if mode == "mean" else 1
    assert passes(call, rounded(call, sum(exact) / size))
    assert not passes(call, rounded(call, sum(exact[:-1]) / size))
    assert not passes(call, rounded(call, sum(exact) / (size + 1)))


@QUICK
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.sampled_from(WEIGHT_DTYPES))
def test_nothing_but_the_exact_sum_of_small_integers_passes(rows, dtype):
    """Where no order of summation rounds, only the exact sum passes, and not its neighbour."""
    call = reducing(np.array(rows, np.float64).astype(dtype)[:, None])
    total = rounded(call, sum(rows))
    assume(float(total[0, 0]) != 0)
    step = unit_roundoff(np.dtype(dtype)) * 2
    neighbour = (total.astype(np.float64) * (1 + step)).astype(dtype)
    assert passes(call, total)
    assert neighbour != total
    assert not passes(call, neighbour)


@QUICK
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_quantum_divides_its_number(value):
    """A number is an odd multiple of its quantum; the quantum of 0 is infinite."""
    quantum = float(quantum_of(np.array([value]))[0])
    if value == 0:
        assert quantum == math.inf
    else:
        quotient = Fraction(value) / Fraction(quantum)
        assert quotient.denominator == 1
        assert quotient.numerator % 2 == 1


def test_a_bound_beside_infinite_terms_is_none():
    """The bound is zero beside infinite terms, whose sum is exactly infinite or NaN."""
    call = reducing(np.array([[np.inf], [1]], np.float32))
    assert bound("output", call, np.array([[np.inf]], np.float32)) == 0


@pytest.mark.parametrize(("right", "wrong"), EVERYDAY_PRECISIONS)
def test_a_gradient_in_a_wrong_precision_is_refused(right, wrong):
    """A weight gradient from upstream gradients in a coarser precision is refused."""
    upstream = np.random.default_rng(0).standard_normal((64, 8)).astype(right)
    inputs = {"weight": np.ones((2, 8), right), "indices": np.zeros(64, np.int64)}
    call = Call(Operation.EMBEDDING, {**inputs, "grad_output": upstream})
    exact = np.stack([upstream.astype(np.float64).sum(axis=0), np.zeros(8)])
    coarse = np.stack([upstream.astype(wrong).astype(np.float64).sum(axis=0), np.zeros(8)])
    allowed = bound("grad_weight", call, exact.astype(right))
    assert (np.abs(coarse - exact) > allowed).any()
    assert not allowed[1].any()


@pytest.mark.parametrize(("right", "wrong"), EVERYDAY_PRECISIONS)
def test_a_gradient_for_factors_in_a_wrong_precision_is_refused(right, wrong):
    """A gradient for per_sample_weights from rows in a coarser precision is refused."""
    random = np.random.default_rng(0)
    weight, upstream = (random.standard_normal((4, 64)).astype(right) for _ in range(2))
    inputs = {"weight": weight, "indices": np.arange(4)[:, None], "grad_output": upstream}
    factors = {"per_sample_weights": np.ones((4, 1), right)}
    call = Call(Operation.EMBEDDING_BAG, {**inputs, **factors}, {"mode": "sum"})
    products = [
        (weight.astype(dtype).astype(np.float64) * upstream.astype(dtype)).sum(axis=1)
        for dtype in (np.float64, wrong)
    ]
    exact, coarse = (product[:, None] for product in products)
    assert (np.abs(coarse - exact) > bound("grad_per_sample_weights", call, exact)).any()


@pytest.mark.parametrize(("right", "wrong"), [(np.float64, np.float32), (np.float32, np.float16)])
def test_a_row_shortened_in_a_wrong_precision_is_refused(right, wrong):
    """A row that max_norm shortened in a coarser precision is refused.

    The rows are long, so that the 1e-7 that PyTorch adds to the norm does not matter.
    """
    weight = 1000 * np.random.default_rng(0).standard_normal((4, 8)).astype(right)
    call = Call(Operation.EMBEDDING, {"weight": weight, "indices": np.arange(3)}, {"max_norm": 1.0})
    norms = np.linalg.norm(weight.astype(np.float64), axis=1, keepdims=True)
    expected = np.concatenate([weight[:3] / norms[:3], weight[3:]]).astype(right)
    allowed = bound("weight_after", call, expected)
    off = np.abs(expected.astype(wrong).astype(np.float64) - expected.astype(np.float64))
    assert (off[:3] > allowed[:3]).any()
    assert not allowed[3].any()
    in_pytorch = weight.astype(np.float64) / (norms + 1e-7)
    assert (np.abs(in_pytorch - expected)[:3] <= allowed[:3]).all()


def test_an_infinite_max_norm_shortens_nothing():
    """An infinite max_norm changes no row, not even one of zeros or infinities."""
    weight = np.array([[0.0, 0.0], [3.0, 4.0], [np.inf, 1.0]], np.float32)
    inputs = {"weight": weight, "indices": np.arange(3)}
    call = Call(Operation.EMBEDDING, inputs, {"max_norm": float("inf")})
    assert (shortened(call) == weight).all()


def test_the_sign_of_an_uncertain_gradient_leaves_a_first_step_open():
    """Where rounding decides a gradient's sign, a first Adagrad step may go either way."""
    upstream = np.array([[0.1, 1], [0.2, 1], [-0.3, -2]], np.float32)
    inputs = {"weight": np.zeros((1, 2), np.float32), "indices": np.zeros(3, np.int64)}
    call = Call(Operation.EMBEDDING, {**inputs, "grad_output": upstream})
    allowed = bound("weight_trained_by_adagrad", call, np.zeros((1, 2), np.float32))
    assert allowed[0, 0] >= 2
    assert allowed[0, 1] < 1e-5


NARROW = [np.float16, ml_dtypes.bfloat16]
LONG = [29, 31, 33, 49, 64, 253, 257, 300, 1000, 2100, 4097, 20000]


def positive(count, dtype):
    """Return a column of `count` numbers between 0 and 1, in a dtype."""
    return np.random.default_rng(count).uniform(0.0, 1.0, (count, 1)).astype(dtype)


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("count", LONG)
def test_no_bound_of_a_sum_reaches_an_eighth_of_it(count, dtype, mode):
    """For bags of any length, 0 and results off by an eighth are refused."""
    call = reducing(positive(count, dtype), mode)
    total = float(sum(terms_of(call))) / (count if mode == "mean" else 1)
    expected = rounded(call, total)
    derived = bound_of("output", call, expected)
    assert derived.is_honest
    assert derived.width(expected) < WIDEST
    assert passes(call, expected)
    for wrong in (0.0, 1.14 * total, 0.86 * total):
        assert not passes(call, rounded(call, wrong))


@pytest.mark.parametrize(("dtype", "count"), [(ml_dtypes.bfloat16, 300), (np.float16, 2100)])
def test_ones_that_are_no_longer_counted_are_missed(dtype, count):
    """A sum of ones that stopped growing is refused, unless it is near the right one.

    Added from left to right, ones stop counting at 256 in bfloat16 and at 2048 in float16.
    """
    call = reducing(np.ones((count, 1), dtype), "mean")
    stopped = float(add(call.inputs["weight"][:, 0], dtype)) / count
    assert passes(call, 1.0)
    assert not passes(call, 0.0)
    assert passes(call, stopped) == (dtype is np.float16)  # 2048 / 2100 is near 1, 256 / 300 is not
    assert not passes(reducing(np.ones((4 * count, 1), dtype), "mean"), stopped / 4)


@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("count", LONG)
def test_long_sums_in_pairs_or_in_single_precision_pass(count, dtype):
    """Long sums pass whatever their terms, if added in pairs or in single precision."""
    rows = positive(count, dtype)[:, 0]
    for terms in (rows, -rows, np.where(np.arange(count) % 3, rows, -rows).astype(dtype)):
        call = reducing(terms[:, None])
        assert passes(call, pairwise(terms, dtype))
        assert passes(call, add(terms, np.float32).astype(dtype))


@pytest.mark.parametrize(
    ("dtype", "count"),
    [(ml_dtypes.bfloat16, 32), (ml_dtypes.bfloat16, 48), (np.float16, 256), (np.float16, 3800)],
)
def test_left_to_right_passes_where_it_is_likely_to_be_near(dtype, count):
    """Where left-to-right sums are not guaranteed but likely near, none of 1,000 fails."""
    assert not missed(dtype, count, sums=1000)


@pytest.mark.parametrize(("dtype", "count"), [(ml_dtypes.bfloat16, 1000), (np.float16, 20000)])
def test_left_to_right_fails_where_it_stops_counting(dtype, count):
    """Left-to-right sums in a narrow dtype fail where they are too long and stop growing."""
    assert missed(dtype, count, sums=200) > 0.99


def missed(dtype, count, sums):
    """Return the share of random sums, added from left to right, that are out of bounds."""
    weight = np.random.default_rng(0).uniform(0.0, 1.0, (count, sums)).astype(dtype)
    total = np.zeros(sums, dtype)
    for row in weight:
        total = (total + row).astype(dtype)
    expected = weight.astype(np.float64).sum(axis=0, keepdims=True).astype(dtype)
    off = np.abs(total.astype(np.float64) - expected.astype(np.float64))
    return float((off > bound("output", reducing(weight), expected)).mean())


def test_a_sum_that_no_arithmetic_knows_has_no_honest_bound():
    """Products of the smallest numbers may be rounded to zero, so their sum has no honest bound."""
    weight = np.full((2, 1), np.finfo(np.float16).smallest_subnormal)
    factors = np.full((1, 2), 1.5, np.float16)
    call = reducing(weight, per_sample_weights=factors)
    expected = rounded(call, float(sum(terms_of(call))))
    derived = bound_of("output", call, expected)
    assert not derived.is_honest
    assert derived.width(expected) > WIDEST


def test_a_sum_that_cancels_is_measured_by_its_terms():
    """The bound of a sum that cancels is honest, although it is wider than the sum itself."""
    call = reducing(np.array([[1], [2**-11], [-1]], np.float16))
    derived = bound_of("output", call, np.array([[2**-11]], np.float16))
    assert derived.is_honest
    assert derived.width(np.array([[2**-11]], np.float16)) > 1
    assert derived.width(np.array([[0]], np.float16)) < 0.01


def known(spec, returns):
    """Return a spec's call, and the expected values of all its observations."""
    call = spec.call()
    answers = {}
    if any(isinstance(wanted, FromReference) for wanted in returns.observations.values()):
        answers = NumpyReference().prepare(spec.call())()
    pairs = ((name, wanted) for name, wanted in returns.observations.items())
    return call, {name: known_values(name, wanted, answers) for name, wanted in pairs}


def scored(case):
    """Yield each call that a case scores, with its expected result."""
    if isinstance(case.expectation, Returns):
        yield case.spec, case.expectation
    elif isinstance(case.expectation, Steps):
        yield from ((step.spec, step.returns) for step in case.expectation.steps)
    elif isinstance(case.expectation, Rejects):
        yield case.expectation.control, case.expectation.control_returns


@pytest.mark.parametrize("path", spec_files(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_scored_case_has_a_bound_wider_than_an_eighth(path):
    """The bound of each scored case, derived or stated, is below an eighth of its value.

    Where the value is 0, it is below an eighth of the terms.
    """
    for case in load_spec(path).cases:
        if case.missing or case.large or case.level is Level.IMPLEMENTATION_DEFINED:
            continue
        for spec, returns in scored(case):
            call, wanted = known(spec, returns)
            verdict = judge_bounds(call, wanted, case.tolerance)
            assert verdict.outcome is Outcome.PASSED, case.id
            assert verdict.bound_width < WIDEST, case.id
