"""The correct backend that each animal of the zoo spoils in one place."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from embcheck.backends.reference.numpy_reference import NumpyReference
from embcheck.conformance.contract.call import Call, Operation


class Correct:
    """Answers like the reference; subclasses override `answer`, which does the whole call."""

    def __init__(self) -> None:
        self._reference = NumpyReference()
        words = re.findall("[A-Z][a-z]*", type(self).__name__)
        name = "-".join(["zoo", *map(str.lower, words)])
        modules = (*self._reference.info.modules, "embcheck_zoo")
        self.info = replace(self._reference.info, id=name, library="zoo", modules=modules)

    def prepare(self, call: Call) -> Any:
        return lambda: self.answer(call)

    def answer(self, call: Call) -> Any:
        return self.correct(call)

    def correct(self, call: Call) -> Any:
        return self._reference.prepare(call)()

    def to_numpy(self, answer: Any) -> Any:
        return answer


def is_trigger(call: Call) -> bool:
    """Whether a call is one of those that the animal spoils: one_hot, in the middle of a run."""
    return call.operation is Operation.ONE_HOT
