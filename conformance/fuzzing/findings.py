"""Findings: departures that were shrunk, compared with known ones, written and reproduced."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.execution.protocol.answers import Answered, Rejected
from embcheck.conformance.execution.run_case import CaseRunner
from embcheck.conformance.fuzzing.control import find_control
from embcheck.conformance.fuzzing.duel import Duel, DuelResult
from embcheck.conformance.fuzzing.hunt import ShrunkDeparture
from embcheck.conformance.fuzzing.question import call_of
from embcheck.conformance.fuzzing.related import Related, related
from embcheck.conformance.fuzzing.signature import Signature
from embcheck.conformance.fuzzing.sketch import Sketch
from embcheck.conformance.fuzzing.spec_file import Control, write_sequence, write_spec
from embcheck.conformance.suite.load import load_spec

CASE = "found"
"""The id of the one case of a written spec."""


@dataclass(frozen=True)
class FuzzFinding:
    """A departure of a backend: its signature, its known deviation, and its file.

    `problem` says why there is no spec, or how the spec does not reproduce the departure.
    """

    signature: Signature
    message: str
    call: Call
    related: Related
    file: Path | None = None
    problem: str = ""

    @property
    def is_new(self) -> bool:
        """Whether no known deviation explains the finding."""
        return self.related.deviation is None

    def describe(self, root: Path) -> dict[str, Any]:
        """Describe the finding as plain JSON data; its file is relative to `root`."""
        signature, known = self.signature, self.related
        return {
            "title": str(signature),
            "operation": str(signature.operation),
            "kind": signature.kind,
            "observation": signature.observation,
            "options": sorted(signature.traits.options),
            "arrays": sorted(signature.traits.arrays),
            "sizes": dict(sorted(signature.traits.sizes)),
            "only_after_other_calls": signature.after,
            "dtype": signature.dtype,
            "message": self.message,
            "status": "new" if self.is_new else "known",
            "case": known.case,
            "clause": known.clause,
            "reason": known.deviation.reason if known.deviation else None,
            "file": str(self.file.relative_to(root)) if self.file else None,
            "reproduced": not self.problem,
            "problem": self.problem,
        }


def conclude(duel: Duel, departure: ShrunkDeparture, folder: Path) -> FuzzFinding:
    """Compare a departure with the suite, write it to a folder, and run the written spec."""
    exchange, signature = departure.exchange, departure.signature
    assert exchange.divergence is not None  # noqa: S101  (the hunt gives nothing else)
    known = related(signature, duel.backend.name, duel.backend.info)
    message, call = exchange.divergence.message, exchange.call
    if signature.after and not departure.before:
        problem = "not reproduced: neither alone, nor after the calls that came before"
        return FuzzFinding(signature, message, call, known, None, problem)
    refused = isinstance(exchange.ours, Rejected)
    if refused and signature.after:
        # A step of a sequence states an answer, and cannot state a refusal.
        problem = "not written: a spec cannot state a refusal that follows other calls"
        return FuzzFinding(signature, message, call, known, None, problem)
    control = None
    if refused:
        control = _control(duel, exchange)
        if control is None:
            problem = "no similar valid call was found that backend and reference answer alike"
            return FuzzFinding(signature, message, call, known, None, f"not written: {problem}")
    path = folder / f"{_name(signature)}.yaml"
    problem = ""
    # A departure may show only if a gradient is asked for too: then all observations are written.
    for observations in _observations(exchange):
        behaviour, clause = f"Found by fuzzing: {signature}.", known.clause
        if signature.after:
            before = [duel.ours(question) for question in departure.before]
            write_sequence(path, behaviour, CASE, clause, [*before, exchange], observations)
        else:
            write_spec(path, behaviour, CASE, clause, exchange, observations, control)
        problem = _reproduce(duel, path, signature)
        if not problem:
            break
    return FuzzFinding(signature, message, call, known, path, problem)


def _control(duel: Duel, exchange: DuelResult) -> Control | None:
    """Return the nearest question that both answer alike; a sketch leaves its bad index out."""
    question = exchange.question
    # A sketch's only mistake is its bad index. Without that, the control is a sketch too.
    if isinstance(question, Sketch) and question.bad is not None:
        question = replace(question, bad=None, observe=())
        answered = duel.ask(question)
        if not answered.is_agreed_answer:
            return None
    else:
        control = find_control(call_of(question), duel.is_answered)
        if control is None:
            return None
        answered = duel.ask(control)
    assert isinstance(answered.ours, Answered)  # noqa: S101  (it is an agreed answer)
    return Control(answered.question, answered.call, answered.ours.arrays[Observation.OUTPUT])


def _name(signature: Signature) -> str:
    """Name a file after its signature, which is the same in every run that finds it."""
    words = [str(signature.operation), signature.kind, signature.observation or ""]
    digest = hashlib.sha256(f"{signature} {signature.reason}".encode()).hexdigest()[:6]
    return "-".join([*filter(None, words), digest])


def _observations(exchange: DuelResult) -> list[tuple[str, ...]]:
    """List the observations of the written case: the one that differs, or all of the call's."""
    found = exchange.signature.observation
    # A case must expect an observation. The inputs are checked in every case.
    if found in (None, Observation.INPUTS_AFTER):
        found = Observation.OUTPUT
    everything = tuple(str(n) for n in exchange.call.observe if n != Observation.INPUTS_AFTER)
    return list(dict.fromkeys([(str(found),), everything]))


def _reproduce(duel: Duel, path: Path, signature: Signature) -> str:
    """Run a written spec on a fresh worker; say what happened if it differs from the finding."""
    # As `embcheck run` would: from the file, in a process that was asked nothing before.
    (case,) = load_spec(path).cases
    duel.backend.restart()
    verdict = CaseRunner(duel.backend, duel.reference).run(case).verdict
    happened = str(verdict.kind or verdict.outcome)
    if happened == signature.kind:
        return ""
    return f"not reproduced: the written case is {happened}: {verdict.message}".rstrip(": ")
