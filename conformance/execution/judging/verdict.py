"""Verdicts: the outcome of a case on a backend, and how it failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from embcheck.conformance.execution.judging.rows import RowReading


class Outcome(StrEnum):
    """The outcome of a case on a backend."""

    PASSED = "passed"
    REFUSED_EARLIER = "refused-earlier"
    FAILED = "failed"
    CRASHED = "crashed"
    TIMED_OUT = "timed-out"
    ERRORED = "errored"
    UNSUPPORTED = "unsupported"
    DEVIATED = "deviated"
    STALE = "stale"
    OBSERVED = "observed"
    NOT_RUN = "not-run"


class Kind(StrEnum):
    """How a failed case failed; all but `rejected-valid` are silent."""

    WRONG_VALUE = "wrong-value"
    WRONG_SHAPE = "wrong-shape"
    WRONG_DTYPE = "wrong-dtype"
    WRONG_EFFECT = "wrong-effect"
    ACCEPTED_INVALID = "accepted-invalid"
    REJECTED_VALID = "rejected-valid"

    @property
    def silent(self) -> bool:
        """Whether the caller gets no sign that something is wrong."""
        return self is not Kind.REJECTED_VALID


class Note(StrEnum):
    """A remark beside an outcome, as a word that programs can read."""

    UNAVAILABLE = "unavailable"
    """Not run: the backend cannot run here."""
    ONLY_AFTER_OTHERS = "only-after-others"
    """The case passes alone, in a fresh process."""
    CONFORMS = "conforms"
    """Stale: the case passes, although a known deviation says that it does not."""


@dataclass(frozen=True)
class Verdict:
    """An outcome, the kind of a failure, and a message for people."""

    outcome: Outcome
    kind: Kind | None = None
    message: str = ""
    reading: RowReading | None = None
    """What an implementation-defined call did."""
    observed: Mapping[str, np.ndarray] = field(default_factory=dict)
    bound_width: float | None = None
    """The largest part of a value by which the answer was allowed to be off; None if not judged."""
    notes: tuple[Note, ...] = ()


def failure(kind: Kind, message: str, observed: Mapping[str, np.ndarray]) -> Verdict:
    """Make the verdict of a failed case."""
    return Verdict(Outcome.FAILED, kind, message, observed=observed)
