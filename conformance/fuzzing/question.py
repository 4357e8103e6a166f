"""A question to a backend: a call with its arrays, or a sketch of a large call."""

from __future__ import annotations

from embcheck.conformance.contract.call import Call
from embcheck.conformance.fuzzing.sketch import Sketch

Question = Call | Sketch
Trial = tuple[Question, ...]
"""Questions that are asked one after another; most trials have one."""


def call_of(question: Question) -> Call:
    """Return the call; a sketch makes it each time, since many large ones would fill memory."""
    return question.call() if isinstance(question, Sketch) else question
