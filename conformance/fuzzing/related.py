"""The search for a departure's known deviation, or else for its nearest clause."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.contract.call import TRAINING_OBSERVATIONS, Observation, Operation
from embcheck.conformance.execution.judging.deviations import Deviation, load_deviations
from embcheck.conformance.execution.judging.verdict import Kind, Outcome
from embcheck.conformance.fuzzing.signature import VALID_MODES, Signature, traits_for
from embcheck.conformance.fuzzing.traits import Traits, traits_of
from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.conformance.suite.model import Case, Rejects, Returns
from embcheck.conformance.suite.real_data import Missing

NEAR = 0.5
"""The least share of common traits for which a case counts as near a finding."""


@dataclass(frozen=True)
class Related:
    """The known deviation of a departure, or the nearest clause; None for neither."""

    deviation: Deviation | None = None
    case: str | None = None
    clause: str | None = None


@dataclass(frozen=True)
class _Known:
    """A case of the suite, in a form that is compared with signatures."""

    case: Case
    traits: Traits
    observations: frozenset[str]


def related(signature: Signature, backend: str, info: BackendInfo) -> Related:
    """Find the known deviation of a departure, or else the nearest clause.

    A deviation is the same if one of its cases has the same function, kind and observation, and
    case and finding have the same traits. A wrong gradient also makes a training step wrong.
    """
    deviations = [entry for entry in load_deviations(backend) if entry.holds_for(info)]
    # The departure itself first, and that of its gradient only if the former is not known.
    for cause in _causes(signature):
        matches = [
            (_nearness(known, cause), known.case, entry)
            for known in _suite()
            if _is_about(known, cause) and _same(known, cause)
            for entry in deviations
            if entry.happens == cause.kind and entry.concerns(known.case.id)
        ]
        if matches:
            _, case, entry = max(matches, key=lambda match: match[0])
            return Related(entry, case.id, case.clauses[0].id)
    cases = [known for known in _suite() if _is_about(known, signature)]
    nearest = max(cases, key=lambda known: _nearness(known, signature), default=None)
    if nearest is None or _nearness(nearest, signature) < NEAR:
        return Related()
    return Related(case=nearest.case.id, clause=nearest.case.clauses[0].id)


def _causes(signature: Signature) -> list[Signature]:
    """List the signature and, for a training step, that of its gradient."""
    if signature.observation not in TRAINING_OBSERVATIONS:
        return [signature]
    gradient = replace(signature, kind=Kind.WRONG_VALUE, observation=Observation.GRAD_WEIGHT)
    return [signature, gradient]


# Made once, and not for each finding, because it makes all calls of the suite with their arrays.
@cache
def _suite() -> tuple[_Known, ...]:
    return tuple(_known_cases(case for path in spec_files() for case in load_spec(path).cases))


def _known_cases(cases: Iterable[Case]) -> Iterable[_Known]:
    for case in cases:
        # A large case takes gigabytes to be made; probes are never generated.
        if case.spec.operation is Operation.PROBE or case.large:
            continue
        try:
            call = case.spec.call()
        except Missing:
            continue
        expectation = case.expectation
        names = expectation.observations if isinstance(expectation, Returns) else ()
        yield _Known(case, traits_of(call), frozenset(names))


def _is_about(known: _Known, signature: Signature) -> bool:
    """Whether a case is about the same function, and could fail in the same way."""
    if known.case.spec.operation.function is not signature.operation.function:
        return False
    # Any call of the function may crash, whatever it expects.
    if signature.kind in (Outcome.CRASHED, Outcome.TIMED_OUT):
        return True
    if signature.kind == Kind.ACCEPTED_INVALID:
        return isinstance(known.case.expectation, Rejects)
    return isinstance(known.case.expectation, Returns) and (
        signature.observation is None or signature.observation in known.observations
    )


def _same(known: _Known, signature: Signature) -> bool:
    """Whether a deviating case and a finding are the same: one is a special case of the other.

    The case may have more traits of its arrays than the finding, but no more options. A case
    without traits explains only findings without traits. A departure that begins at a size matches
    a case that is long on the same axes.
    """
    found, case = signature.traits, traits_for(signature.kind, known.traits)
    if signature.after or not found.axes <= case.axes:
        return False
    is_unusual = bool(case.options - VALID_MODES or case.arrays)
    if case.axes and not (found.axes or is_unusual):
        return False
    found, case = found.sized(), case.sized()
    if case.within(found):
        return found.within(case) or is_unusual
    return found.options == case.options and bool(found.arrays) and found.arrays <= case.arrays


def _nearness(known: _Known, signature: Signature) -> float:
    """Return the share of traits in common; 1 if neither has any."""
    traits = traits_for(signature.kind, known.traits)
    found, case = (t.options | t.arrays for t in (signature.traits, traits))
    return len(found & case) / len(found | case) if found | case else 1.0
