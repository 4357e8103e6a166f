"""What is put to a backend: a call that is written out, or a sketch of a large one."""

from __future__ import annotations

from embcheck.conformance.contract.call import Call
from embcheck.conformance.fuzzing.sketch import Sketch

Question = Call | Sketch
Trial = tuple[Question, ...]
"""Calls that are put one after another; most trials have one."""


def call_of(question: Question) -> Call:
    """Return the call, which a sketch makes anew each time: many large ones would fill memory."""
    return question.call() if isinstance(question, Sketch) else question
