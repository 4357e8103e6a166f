"""Judge an answer: give the verdict on a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from embcheck.conformance.contract.call import TRAINING_OBSERVATIONS, Call, Observation
from embcheck.conformance.execution.judging.bounds import (
    STEP_EPSILONS,
    WIDEST,
    Bound,
    bound_of,
    copies,
)
from embcheck.conformance.execution.judging.shown import decode_text, short
from embcheck.conformance.execution.judging.ties import nearest
from embcheck.conformance.execution.judging.verdict import Kind, Outcome, Verdict, failure
from embcheck.conformance.execution.protocol.answers import (
    Answer,
    Answered,
    Crashed,
    Errored,
    NotSupported,
    Refuser,
    Rejected,
    TimedOut,
    why_none,
)
from embcheck.conformance.execution.protocol.bounded import bounded
from embcheck.conformance.execution.same import Signs, equal, same_bits
from embcheck.conformance.suite.model import (
    Expected,
    FromReference,
    Made,
    Structure,
    Text,
    Tolerance,
    Values,
)

_EFFECTS = frozenset(
    {
        Observation.WEIGHT_AFTER,
        *TRAINING_OBSERVATIONS,
        Observation.TRAINABLE,
        Observation.SHARES_MEMORY,
        Observation.OUTPUT_SHARES_MEMORY,
        Observation.SAME_CODES_AGAIN,
        Observation.SAME_WHEN_LOADED,
    }
)
MOST_SHOWN = 8
"""How many observations are shown of an answer to an invalid call."""


def judge_returns(
    call: Call,
    answer: Answer,
    expected: Mapping[str, Expected],
    tolerance: Tolerance | None,
    ask_reference: Callable[[], Mapping[str, np.ndarray]],
) -> Verdict:
    """Judge an answer to a call that must return with certain observations."""
    stopped = judge_ending(answer) or judge_refusal(answer)
    if stopped is not None:
        return stopped
    assert isinstance(answer, Answered)  # noqa: S101  (the other kinds are handled above)
    if differing := answer.details.get("differing"):
        said = f"{', '.join(differing)}: the same thunk called again gave other bits"
        return failure(Kind.WRONG_VALUE, said, {})
    needs_reference = any(isinstance(wanted, FromReference) for wanted in expected.values())
    reference = ask_reference() if needs_reference else {}
    known = {name: known_values(name, wanted, reference) for name, wanted in expected.items()}
    # Deriving a bound takes longer than comparing an answer, and an exact answer needs none.
    inexact = known if tolerance else _not_yet_equal(known, answer.arrays)
    bounds: dict[str, Bound] = {}
    earned = judge_bounds(call, inexact, tolerance, bounds)
    for name, wanted in known.items():
        bound = bounds.get(name)
        wrong = judge_observation(name, wanted, call, answer.arrays, tolerance, bound=bound)
        if wrong is not None:
            return replace(wrong, bound_width=earned.bound_width)
    return judge_inputs(call, answer.arrays) or earned


def _not_yet_equal(
    known: Mapping[str, Values | Structure | Text], arrays: Mapping[str, np.ndarray]
) -> dict[str, Values]:
    """Return the values that need a bound: those that the answer does not equal bit by bit.

    An optimiser's first step always does: where rows tie, its bound may leave the value open.
    """
    values = {name: wanted for name, wanted in known.items() if isinstance(wanted, Values)}
    exact = [n for n, a in arrays.items() if n in values and same_bits(a, values[n].array)]
    return {n: v for n, v in values.items() if n in STEP_EPSILONS or n not in exact}


def known_values(
    name: str, wanted: Expected, reference: Mapping[str, np.ndarray]
) -> Values | Structure | Text:
    """Return the expected values in full, also if they are a recipe or the reference's answer."""
    if isinstance(wanted, FromReference):
        return Values(reference[name])
    return Values(wanted.array) if isinstance(wanted, Made) else wanted


def judge_bounds(
    call: Call,
    expected: Mapping[str, Values | Structure | Text],
    tolerance: Tolerance | None,
    derived: dict[str, Bound] | None = None,
) -> Verdict:
    """Return the verdict on an answer within its bounds, with the width of the widest bound.

    If a bound is not honest, wrong answers are within it too: the outcome is then `observed`. The
    bounds are stored in `derived`, by observation.
    """
    widest, dishonest = 0.0, []
    for name, wanted in expected.items():
        if isinstance(wanted, Values):
            bound = _allowed(name, call, wanted, tolerance)
            if derived is not None:
                derived[name] = bound
            if tolerance is not None:
                bound = _with_scale(bound, name, call, wanted)
            widest = max(widest, bound.width(wanted.array))
            dishonest += [] if bound.is_honest else [name]
    if not dishonest:
        return Verdict(Outcome.PASSED, bound_width=widest)
    said = f"{', '.join(dishonest)}: not judged, the bound allows {WIDEST} of a value or more"
    return Verdict(Outcome.OBSERVED, message=said, bound_width=widest)


def _with_scale(bound: Bound, name: str, call: Call, wanted: Values) -> Bound:
    """Measure a stated tolerance around 0 against the terms of the call, or 1 if there are none."""
    if bound.scale.all():
        return bound
    scale = bound_of(name, call, wanted.array).scale
    return replace(bound, scale=np.maximum(bound.scale, np.where(scale > 0, scale, 1.0)))


def judge_rejects(answer: Answer, control: Verdict) -> Verdict:
    """Judge an answer to an invalid call, beside the verdict on its valid control."""
    stopped = judge_ending(answer)
    if stopped is not None:
        return stopped
    if isinstance(answer, Answered):
        # The caller's own arrays say nothing about the answer that should not be there.
        given = {n: a for n, a in answer.arrays.items() if not n.endswith("_after")}
        shown = dict(list(given.items())[:MOST_SHOWN])
        got = ", ".join(f"{name} = {short(array)}" for name, array in shown.items())
        left_out = len(given) - len(shown) + answer.details.get("left_out", 0)
        more = f" and {left_out} more observations" if left_out else ""
        said = f"an invalid call was accepted and gave {bounded(got, 300)}{more}"
        return failure(Kind.ACCEPTED_INVALID, said, shown)
    assert isinstance(answer, Rejected)  # noqa: S101  (the other kinds are handled above)
    said = why_none(answer)
    if answer.refuser is Refuser.ADAPTER:
        return _not_the_library(answer)
    if control.outcome is Outcome.PASSED:
        is_early = answer.refuser is Refuser.EARLIER
        return Verdict(Outcome.REFUSED_EARLIER if is_early else Outcome.PASSED, message=said)
    if control.outcome in (Outcome.CRASHED, Outcome.TIMED_OUT, Outcome.ERRORED):
        return replace(control, message=f"its valid control: {control.message}")
    return Verdict(
        Outcome.UNSUPPORTED,
        message=f"refused ({said}), but its valid control did not work either "
        f"({control.message}): the refusal proves nothing",
    )


def judge_observes(call: Call, answer: Answer) -> Verdict:
    """Judge an implementation-defined call: only the process and the inputs count."""
    stopped = judge_ending(answer)
    if stopped is not None:
        return stopped
    if isinstance(answer, Rejected):
        if answer.refuser is Refuser.ADAPTER:
            return _not_the_library(answer)
        return Verdict(Outcome.OBSERVED, message=why_none(answer))
    assert isinstance(answer, Answered)  # noqa: S101  (the other kinds are handled above)
    mutated = judge_inputs(call, answer.arrays)
    observed = {name: array for name, array in answer.arrays.items() if name in call.observe}
    return mutated or Verdict(Outcome.OBSERVED, observed=observed)


def judge_ending(answer: Answer) -> Verdict | None:
    """Judge endings that are the same for every case, such as a crash; None for the others."""
    if isinstance(answer, Crashed):
        return Verdict(Outcome.CRASHED, message=answer.message)
    if isinstance(answer, TimedOut):
        return Verdict(Outcome.TIMED_OUT, message=f"no answer in {answer.seconds:g} s")
    if isinstance(answer, NotSupported):
        return Verdict(Outcome.UNSUPPORTED, message=answer.reason)
    if isinstance(answer, Errored):
        return Verdict(Outcome.ERRORED, message=answer.message)
    if isinstance(answer, Answered) and (unread := answer.details.get("unread")):
        said = f"the adapter never read {', '.join(unread)}: the library was not given it"
        return Verdict(Outcome.UNSUPPORTED, message=said)
    return None


def judge_refusal(answer: Answer) -> Verdict | None:
    """Judge a refusal of a valid call; None if it was not refused."""
    if not isinstance(answer, Rejected):
        return None
    if answer.refuser is Refuser.ADAPTER:
        said = f"the adapter raised it, not the library: {why_none(answer)}"
        return Verdict(Outcome.ERRORED, message=said)
    return failure(Kind.REJECTED_VALID, f"a valid call was refused: {why_none(answer)}", {})


def _not_the_library(refused: Rejected) -> Verdict:
    """Judge an error of the adapter's own: the library did not see the call."""
    said = f"the adapter raised it, and the library did not see the call: {why_none(refused)}"
    return Verdict(Outcome.UNSUPPORTED, message=said)


def judge_inputs(call: Call, arrays: Mapping[str, np.ndarray]) -> Verdict | None:
    """Judge whether the caller's arrays stayed as they were; None if they did.

    `max_norm` may change the weight, and so may a training step on shared memory.
    """
    weight_may_change = call.option("max_norm") is not None or call.wants(*TRAINING_OBSERVATIONS)
    for name, before in call.inputs.items():
        # Adapters do not report the upstream gradient: see `Observation.INPUTS_AFTER`.
        if name == "grad_output" or (name == "weight" and weight_may_change):
            continue
        after = arrays.get(f"{name}_after")
        if after is None:
            return Verdict(Outcome.ERRORED, message=f"the adapter does not report {name}_after")
        if after.shape != before.shape or not equal(after, before, signs="all").all():
            return failure(
                Kind.WRONG_EFFECT,
                f"the caller's {name} changed from {short(before)} to {short(after)}",
                {f"{name}_after": after},
            )
    return None


def judge_form(
    name: str,
    shape: tuple[int, ...],
    dtype: str,
    wanted: Values | Structure,
    observed: Mapping[str, np.ndarray],
) -> Verdict | None:
    """Judge an observation's shape and dtype; None if they are as wanted."""
    if shape != wanted.shape:
        said = f"{name}.shape = {list(shape)}, should be {list(wanted.shape)}"
        return failure(Kind.WRONG_SHAPE, said, observed)
    right = (wanted.array.dtype if isinstance(wanted, Values) else wanted.dtype).name
    if dtype != right:
        said = f"{name}.dtype = {dtype}, should be {right}"
        return failure(Kind.WRONG_DTYPE, said, observed)
    return None


def judge_observation(
    name: str,
    wanted: Values | Structure | Text,
    call: Call,
    arrays: Mapping[str, np.ndarray],
    tolerance: Tolerance | None,
    *,
    is_reading: bool = False,
    bound: Bound | None = None,
) -> Verdict | None:
    """Judge one observation; None if it is as wanted. `bound` is its bound, if that is known.

    With `is_reading`, it tells apart what a scored case must leave open: which of equal maxima has
    a gradient, and the sign of a zero that is stated as -0.0.
    """
    got = arrays.get(name)
    if got is None:
        return Verdict(Outcome.ERRORED, message=f"the adapter does not report {name}")
    observed = {name: got}
    if isinstance(wanted, Text):
        text = decode_text(got)
        said = f"{name} = {bounded(text, 300)!r}, should be {wanted.text!r}"
        return None if text == wanted.text else failure(Kind.WRONG_VALUE, said, observed)
    if misfit := judge_form(name, got.shape, got.dtype.name, wanted, observed):
        return misfit
    signs: Signs = "negative" if is_reading else "all" if copies(name, call) else "none"
    if isinstance(wanted, Structure):
        complaint = _check_structure(name, got, wanted, signs)
    else:
        stated = wanted.array
        stands = is_reading or tolerance is not None
        right = stated if stands else nearest(name, call, got, stated)

        def allowed() -> Bound:
            # Another choice among equal maxima has another bound.
            known = bound if right is stated else None
            return known or _allowed(name, call, Values(right), tolerance)

        complaint = _check_values(name, got, right, signs, allowed)
    if complaint is None:
        return None
    return failure(Kind.WRONG_EFFECT if name in _EFFECTS else Kind.WRONG_VALUE, complaint, observed)


def _allowed(name: str, call: Call, wanted: Values, tolerance: Tolerance | None) -> Bound:
    """Return the bound of an observation: the stated one, or the one that the call gives."""
    if tolerance is None:
        return bound_of(name, call, wanted.array)
    wide = np.complex128 if wanted.array.dtype.kind == "c" else np.float64
    magnitude = np.abs(np.nan_to_num(wanted.array.astype(wide)))
    return Bound(tolerance.atol + tolerance.rtol * magnitude, magnitude)


def _check_values(
    name: str, got: np.ndarray, wanted: np.ndarray, signs: Signs, allowed: Callable[[], Bound]
) -> str | None:
    """Say where values differ by more than the bound that `allowed` gives; None if nowhere."""
    same = equal(got, wanted, signs)
    if same.all():
        return None
    limits = allowed().allowed
    if wanted.dtype.kind not in "biu":  # Only floating values may be rounded.
        with np.errstate(invalid="ignore"):
            wide = np.complex128 if wanted.dtype.kind == "c" else np.float64
            difference = np.abs(got.astype(wide) - wanted.astype(wide))
            same |= (difference <= limits) & (limits > 0)
    if same.all():
        return None
    first = tuple(int(position) for position in np.argwhere(~same)[0])
    place = f"[{', '.join(map(str, first))}]" if first else ""
    count = int((~same).sum())
    others = f" ({count} of {same.size} elements differ)" if same.size > 1 else ""
    within = f" within {float(limits[first]):.3g}" if limits[first] else ""
    return f"{name}{place} = {got[first]!s}, should be {wanted[first]!s}{within}{others}"


def _check_structure(name: str, got: np.ndarray, wanted: Structure, signs: Signs) -> str | None:
    for position, values in wanted.at:
        if not equal(got[position], values, signs).all():
            return f"{name}{list(position)} = {short(got[position])}, should be {short(values)}"
    for group in wanted.equal:
        for position in group[1:]:
            if not equal(got[group[0]], got[position]).all():
                return f"{name}{list(position)} should equal {name}{list(group[0])}, but differs"
    for position in wanted.nonzero:
        if not np.asarray(got[position] != 0).any():
            return f"{name}{list(position)} is all zeros, and should not be"
    return None
