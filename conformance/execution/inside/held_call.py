"""One call that a worker keeps prepared, and the last answer that it gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import Backend
from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution.inside.attempt import attempt, bring_home
from embcheck.conformance.execution.inside.blocks import timed
from embcheck.conformance.execution.same import same_arrays


@dataclass
class Held:
    """A prepared call, its thunk, and the last answer that the thunk gave.

    `backend` is the one that errors are traced to. `untrained` is a copy of the table before
    training, if the call trains it. `seconds` is the time of the last call. `trains_a_copy` says
    that each call trains a table of the thunk's own further, as adapters do that copy their inputs.
    """

    call: Call
    thunk: Callable[[], Any]
    to_numpy: Callable[[Any], Mapping[str, np.ndarray]]
    backend: Backend
    prepare: Callable[[], Callable[[], Any]]
    answer: Any = None
    untrained: np.ndarray | None = None
    seconds: float = 0.0
    trains_a_copy: bool = False

    def rewind(self) -> None:
        """Undo what training did to the table, so that the next answer is a first step."""
        if self.untrained is not None:
            np.copyto(self.call.inputs["weight"], self.untrained)
        if self.trains_a_copy:
            self.thunk = attempt(self.prepare, "prepare", self.backend)

    def first_calls(self) -> tuple[float, float]:
        """Call twice, from the untrained table each time, and return the seconds of each."""
        first, _ = timed(self.thunk)
        self.rewind()
        second, self.answer = timed(self.thunk)
        return first, second

    def find_what_is_trained(self) -> None:
        """Learn whether the call trains a copy: then a step differs from the one before."""
        if self.untrained is None:
            return
        self.run()
        once = self.copied_home()
        self.run()
        self.trains_a_copy = not same_arrays(once, self.copied_home())
        if self.trains_a_copy:
            self.run()  # The last answer must be that of a first step.

    def run(self) -> None:
        """Call once, from the untrained table; raises Failed."""
        self.rewind()
        self.seconds, self.answer = timed(lambda: attempt(self.thunk, "call", self.backend))

    def home(self) -> dict[str, np.ndarray]:
        """Return the observed arrays of the last answer; raises Failed."""
        arrays = bring_home(self.to_numpy, self.answer)
        return {name: array for name, array in arrays.items() if name in self.call.observe}

    def copied_home(self) -> dict[str, np.ndarray]:
        """Return copies of the observed arrays of the last answer; raises Failed."""
        return {name: array.copy() for name, array in self.home().items()}

    @contextmanager
    def changed_index(self, header: Mapping[str, Any]) -> Iterator[None]:
        """Within the context, let one index of the call name another row."""
        indices = self.call.inputs["indices"].reshape(-1)
        before = indices[header["position"]]
        indices[header["position"]] = header["row"]
        try:
            yield
        finally:
            indices[header["position"]] = before
