"""A backend whose library can be asked in several ways, of which its adapter took a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.help import helps
from embcheck_zoo.base import Correct


class SpelledThrice(Correct):
    """Looks up one row too low; of two other spellings one is right, which its entries name."""

    def answer(self, call: Call) -> Any:
        if call.operation is not Operation.EMBEDDING:
            return self.correct(call)
        helps("rolls the rows of the table")
        return self._rolled(call)

    def spellings(self, call: Call) -> dict[str, Callable[[], Any]]:
        return {
            "rows(indices)": lambda: self.correct(call),
            "rolled(indices)": lambda: self._rolled(call),
        }

    def _rolled(self, call: Call) -> Any:
        answer = self.correct(call)
        return {**answer, "output": answer["output"] + answer["output"].dtype.type(1)}
