"""Backends whose library is right, and whose adapter is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import (
    Provided,
    Provision,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import GRADIENT_OBSERVATIONS, Call, Operation
from embcheck_zoo.base import Correct

KNOWN = ("mode", "num_classes", "num_embeddings", "embedding_dim", "padding_idx")
PLAIN = ("weight", "indices", "offsets", "grad_output")


class CastsIndices(Correct):
    """Makes every index an int64 before the library sees it, and reports what it made."""

    def answer(self, call: Call) -> Any:
        return self.correct(cast(call))


class CastsInSecret(Correct):
    """Makes every index an int64, and reports what it was given."""

    def answer(self, call: Call) -> Any:
        return {**self.correct(cast(call)), "indices_after": call.inputs["indices"]}


class CastsAndTells(CastsInSecret):
    """The same, but its scripts say what the library does without the cast."""

    def script(self, call: Call) -> str:
        if call.operation is not Operation.EMBEDDING:
            raise Unsupported("no script")
        check = 'assert indices.dtype in ("int32", "int64"), indices.dtype'
        return f"{check}\noutput = weight[indices]"


class ForgetsInputs(Correct):
    """Does not report the inputs."""

    def answer(self, call: Call) -> Any:
        answer = self.correct(call)
        return {name: array for name, array in answer.items() if not name.endswith("_after")}


class FlattensInputs(Correct):
    """Reports the indices in another shape than they came in."""

    def answer(self, call: Call) -> Any:
        answer = self.correct(call)
        return {**answer, "indices_after": answer["indices_after"].reshape(1, -1)}


class Lazy(Correct):
    """Puts everything off until the answer is brought home."""

    def answer(self, call: Call) -> Any:
        return lambda: self.correct(call)

    def to_numpy(self, answer: Any) -> Any:
        return answer()


class ClaimsTooMuch(Correct):
    """Declares gradients, and cannot express them."""

    def prepare(self, call: Call) -> Any:
        if call.wants(*GRADIENT_OBSERVATIONS):
            raise Unsupported("no gradients after all")
        return super().prepare(call)


class ForgetsGradients(Correct):
    """Declares gradients, and does not report them."""

    def answer(self, call: Call) -> Any:
        answer = self.correct(call)
        return {name: array for name, array in answer.items() if not name.startswith("grad_")}


class DropsOptions(Correct):
    """Hands on what it knows, and leaves out the rest without a word."""

    def answer(self, call: Call) -> Any:
        options = {name: call.options[name] for name in KNOWN if name in call.options}
        inputs = {name: call.inputs[name] for name in PLAIN if name in call.inputs}
        given = replace(call, options=options, inputs=inputs)
        return {**self.correct(given), **inputs_after(call.inputs)}


class RefusesHalves(Correct):
    """Converts the table first; its library has no float16. Then it reads each option."""

    def prepare(self, call: Call) -> Any:
        if "weight" in call.inputs and call.inputs["weight"].dtype == np.float16:
            convert(call.inputs["weight"])
        return super().prepare(call)


class RefusesHalvesAndDrops(DropsOptions, RefusesHalves):
    """The same, but of the options it reads a few only."""


class RefusesHalvesAndDeclines(RefusesHalves):
    """The same, and then says that the library has no `max_norm`."""

    def prepare(self, call: Call) -> Any:
        prepared = super().prepare(call)
        if call.option("max_norm") is not None:
            raise Unsupported("the library has no max_norm")
        return prepared


class Nameless(Correct):
    """Says nothing of its version, nor how one operation is written, and gives another's id."""

    def __init__(self) -> None:
        super().__init__()
        operations = dict(self.info.operations)
        operations[next(iter(operations))] = Provided(Provision.NATIVE, " ")
        self.info = replace(self.info, id="somebody", version="", operations=operations)


class Misspelt(Correct):
    """Declares a capability that there is not."""

    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.info, capabilities=frozenset({"gradeints"}))  # type: ignore[arg-type]


def convert(table: np.ndarray) -> None:
    """Refuse a table, as a library does for its dtype."""
    raise TypeError(f"no tables of {table.dtype}")


def cast(call: Call) -> Call:
    """Return the call with int64 indices."""
    return replace(call, inputs={**call.inputs, "indices": call.inputs["indices"].astype(np.int64)})
