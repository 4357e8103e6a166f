"""Backends whose scripts and whose answers do not go together."""

from __future__ import annotations

from typing import Any

from embcheck.conformance.contract.backend import Unsupported
from embcheck.conformance.contract.call import Call, Operation
from embcheck_zoo.base import Correct


class Indexes(Correct):
    """Says that its library indexes; the subclasses say so wrongly, or do something else."""

    lines: Any = "output = weight[indices]"

    def script(self, call: Call) -> Any:
        if call.operation is not Operation.EMBEDDING:
            raise Unsupported("no script")
        return self.lines


class UnpacksTheShape(Indexes):
    """Fails by itself where a table has not two dimensions, which its library takes."""

    def answer(self, call: Call) -> Any:
        if call.operation is Operation.EMBEDDING:
            _rows, _columns = call.inputs["weight"].shape
        return self.correct(call)


class ListsItsScript(Indexes):
    """Writes a list of lines."""

    lines = ("output = weight[indices]",)


class MisnamesItsOutput(Indexes):
    """Leaves the output under another name."""

    lines = "found = weight[indices]"


class MisspellsItsLibrary(Indexes):
    """Imports what there is not."""

    lines = "import nunpy\noutput = weight[indices]"


class ScriptsSomethingElse(Indexes):
    """Does not write what it does."""

    lines = "output = 2 * weight[indices]"
