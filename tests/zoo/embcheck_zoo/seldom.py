"""Backends that are wrong in rare calls only, which a fuzzer is to find."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from typing import Any

from embcheck.conformance.contract.backend import Capability, Unsupported
from embcheck.conformance.contract.call import Call, Operation
from embcheck_zoo.base import Correct


class Narrow(Correct):
    """A correct backend of few operations."""

    operations: tuple[Operation, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        provided = {name: self.info.operations[name] for name in self.operations}
        # Few operations have a use for shared memory.
        rest = self.info.capabilities - {Capability.SHARED_MEMORY}
        self.info = replace(self.info, operations=provided, capabilities=rest)


class NegativePadding(Narrow):
    """Leaves the gradient of a padding row that is counted from the end as it is."""

    operations = (Operation.EMBEDDING, Operation.EMBEDDING_FROM_PRETRAINED)

    def answer(self, call: Call) -> Any:
        answer = self.correct(call)
        padding = call.options.get("padding_idx")
        if "grad_weight" in call.observe and padding is not None and padding < 0:
            answer["grad_weight"] = answer["grad_weight"].copy()
            answer["grad_weight"][padding] = 1
        return answer


class DiesOfNothing(Narrow):
    """Dies of a signal where a lookup has no indices."""

    operations = (Operation.EMBEDDING,)

    def answer(self, call: Call) -> Any:
        if not call.inputs["indices"].size:
            os.kill(os.getpid(), signal.SIGSEGV)
        return self.correct(call)


class DiesOfBags(Narrow):
    """Dies of a signal in every call of a bag."""

    operations = (Operation.EMBEDDING, Operation.EMBEDDING_BAG)

    def answer(self, call: Call) -> Any:
        if call.operation is Operation.EMBEDDING_BAG:
            os.kill(os.getpid(), signal.SIGSEGV)
        return self.correct(call)


class HangsOnBags(Narrow):
    """Never answers a call of a bag."""

    operations = (Operation.EMBEDDING, Operation.EMBEDDING_BAG)

    def answer(self, call: Call) -> Any:
        if call.operation is Operation.EMBEDDING_BAG:
            time.sleep(3600)
        return self.correct(call)


class TwoFaults(Narrow):
    """Takes a one-hot index of int32, and adds 1 to the maximum of a bag."""

    operations = (Operation.ONE_HOT, Operation.EMBEDDING_BAG)

    def answer(self, call: Call) -> Any:
        if call.operation is Operation.ONE_HOT and call.inputs["indices"].dtype == "int32":
            indices = call.inputs["indices"]
            wide = replace(call, inputs={**call.inputs, "indices": indices.astype("int64")})
            return {**self.correct(wide), "indices_after": indices}
        answer = self.correct(call)
        if call.operation is Operation.EMBEDDING_BAG and call.options.get("mode") == "max":
            answer["output"] = answer["output"] + 1
        return answer


class WithoutPadding(Correct):
    """Declares no padding_idx, cannot express modules, and would be wrong about both."""

    def __init__(self) -> None:
        super().__init__()
        rest = self.info.capabilities - {Capability.PADDING_IDX}
        self.info = replace(self.info, capabilities=rest)

    def prepare(self, call: Call) -> Any:
        if call.operation is Operation.EMBEDDING_MODULE:
            raise Unsupported("no modules")
        return super().prepare(call)

    def answer(self, call: Call) -> Any:
        answer = self.correct(call)
        if call.options.get("padding_idx") is not None:
            answer["output"] = answer["output"] + 1
        return answer
