"""Backends in which something ends before its user does, or is used again too soon."""

from __future__ import annotations

import ctypes
import os
import signal
import weakref
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call, Operation
from embcheck_zoo.base import Correct


def _die() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


class DiesInPrepare(Correct):
    """Dies while a lookup is prepared."""

    def prepare(self, call: Call) -> Any:
        if call.operation is Operation.EMBEDDING:
            _die()
        return super().prepare(call)


class DiesInCall(Correct):
    """Dies while a lookup is called."""

    def answer(self, call: Call) -> Any:
        if call.operation is Operation.EMBEDDING:
            _die()
        return self.correct(call)


class DiesInToNumpy(Correct):
    """Dies while the answer of a lookup is brought home."""

    def answer(self, call: Call) -> Any:
        return self.correct(call) | {"operation": call.operation}

    def to_numpy(self, answer: Any) -> Any:
        if answer.pop("operation") is Operation.EMBEDDING:
            _die()
        return answer


class DiesTheSecondTime(Correct):
    """Frees what a lookup needs when it was called once."""

    def prepare(self, call: Call) -> Any:
        calls: list[Call] = []

        def once() -> Any:
            if calls and call.operation is Operation.EMBEDDING:
                _die()
            calls.append(call)
            return self.correct(call)

        return once


class Program:
    """What a runtime loads, and its methods need; it is in a circle, as callbacks make one."""

    def __init__(self, call: Call) -> None:
        self.call, self.itself = call, self


class LosesItsProgram(Correct):
    """Keeps its program by a weak reference, which the garbage collector ends."""

    def prepare(self, call: Call) -> Any:
        program = weakref.ref(Program(call))

        def run() -> Any:
            alive = program()
            if alive is None:
                raise ReferenceError("the program was freed")
            return self.correct(alive.call)

        return run


class DiesWithItsProgram(LosesItsProgram):
    """The same in a library that does not look."""

    def prepare(self, call: Call) -> Any:
        program = weakref.ref(Program(call))

        def run() -> Any:
            if program() is None:
                _die()
            return self.correct(call)

        return run


class PointsToFreedMemory(Correct):
    """Hands an array out without what owns its memory."""

    def answer(self, call: Call) -> Any:
        answer = self.correct(call)
        output = np.array(answer["output"], order="C")
        return {**answer, "output": output}

    def to_numpy(self, answer: Any) -> Any:
        output = answer["output"]
        if output.dtype != np.float32 or not output.size:
            return answer
        address = ctypes.POINTER(ctypes.c_float)
        pointer = ctypes.cast(output.ctypes.data, address)
        return {**answer, "output": np.ctypeslib.as_array(pointer, output.shape)}


class UsesItsBufferAgain(Correct):
    """Writes each answer of a shape into the memory of the one before."""

    def __init__(self) -> None:
        super().__init__()
        self._buffers: dict[Any, np.ndarray] = {}

    def answer(self, call: Call) -> Any:
        answer = self.correct(call)
        output = answer["output"]
        buffer = self._buffers.setdefault((output.shape, output.dtype), np.empty_like(output))
        buffer[...] = output
        return {**answer, "output": buffer}


class CountsItsAnswers(Correct):
    """Adds the number of earlier calls to the answers of a thunk."""

    def prepare(self, call: Call) -> Any:
        calls = [0]

        def count() -> Any:
            answer = self.correct(call)
            output = answer["output"] + np.asarray(calls[0]).astype(answer["output"].dtype)
            calls[0] += 1
            return {**answer, "output": output}

        return count
