"""Backends that answer, but wrongly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from embcheck.backends.reference.numpy_reference import NumpyReference
from embcheck.conformance.contract.backend import Unsupported
from embcheck.conformance.contract.call import Call, Operation
from embcheck_zoo.base import Correct, is_trigger

HOSTILE = "<script>alert('embcheck')</script>"


class WrongType(Correct):
    """Answers with lists instead of arrays."""

    def to_numpy(self, answer: Any) -> Any:
        return {name: array.tolist() for name, array in answer.items()}


class WrongRow(Correct):
    """Gives the next row for the last index of every call."""

    def answer(self, call: Call) -> Any:
        answer = self.correct(call)
        output, weight = answer["output"], answer.get("weight_after")
        if weight is not None and output.size and not call.operation.is_bag:
            last = int(call.inputs["indices"].reshape(-1)[-1])
            output = output.copy()
            output.reshape(-1, weight.shape[1])[-1] = weight[(last + 1) % len(weight)]
        elif weight is not None and output.size:
            output = output + 1
        return {**answer, "output": output}


class Memoiser(Correct):
    """Remembers the first answer for each shape, whatever the indices."""

    def __init__(self) -> None:
        super().__init__()
        self._memory: dict[Any, Any] = {}

    def answer(self, call: Call) -> Any:
        key = (call.operation, call.inputs["indices"].shape, tuple(call.observe))
        if key not in self._memory:
            self._memory[key] = self.correct(call)
        return self._memory[key]


class WrapsNegatives(Correct):
    """Lets negative indices count from the end, silently."""

    def answer(self, call: Call) -> Any:
        indices = call.inputs["indices"]
        if "weight" in call.inputs and indices.dtype.kind == "i" and (indices < 0).any():
            rows = len(call.inputs["weight"])
            wrapped = np.where(indices < 0, indices % rows, indices).astype(indices.dtype)
            answer = self.correct(replace(call, inputs={**call.inputs, "indices": wrapped}))
            return {**answer, "indices_after": indices}
        return self.correct(call)


class WritesToIndices(Correct):
    """Clamps the caller's own indices in place."""

    def answer(self, call: Call) -> Any:
        answer = self.correct(call)
        return {**answer, "indices_after": np.zeros_like(call.inputs["indices"])}


class AcceptsAnything(Correct):
    """Answers zeros where it should refuse."""

    def answer(self, call: Call) -> Any:
        try:
            return self.correct(call)
        except Exception:  # noqa: BLE001
            return {"output": np.zeros(1, np.float32)}


class RefusesEverything(Correct):
    """Has a typo in its adapter, so that every call raises; it must not conform to anything."""

    def answer(self, call: Call) -> Any:
        return self.corect(call)


class TripsItself(Correct):
    """Raises in its own lines where rows are looked up, before its library is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.info, modules=NumpyReference().info.modules)

    def answer(self, call: Call) -> Any:
        if call.operation is Operation.EMBEDDING:
            _, _, _ = call.inputs["weight"].shape
        return self.correct(call)


class HostileText(Correct):
    """Puts markup, terminal escapes and control characters into everything that is text."""

    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.info, library=HOSTILE, version="1.0\x1b[31m</script>")

    def answer(self, call: Call) -> Any:
        if is_trigger(call):
            raise RuntimeError(HOSTILE + "\x1b]0;title\x07 [bold]markup[/bold] \u202e")
        return self.correct(call)


class Undeclared(Correct):
    """Works, but declares no capability."""

    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.info, capabilities=frozenset())


class UnsupportedTooLate(Correct):
    """Says that it supports nothing only when it is called, where a refusal would count."""

    def answer(self, call: Call) -> Any:
        raise Unsupported("not today")
