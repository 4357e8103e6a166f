"""The worker process: imports one backend, answers frames, and may die of it.

Started as `python -m embcheck.conformance.execution.worker BACKEND READ_FD WRITE_FD`. What the
library prints goes to the worker's own stdout and stderr, never into the channel.
"""

from __future__ import annotations

import gc
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import Backend, BackendInfo, Unavailable, Unsupported
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution import discovery, wire

Reply = tuple[dict[str, Any], dict[str, np.ndarray]]

MESSAGE_LIMIT = 4000


def describe_info(info: BackendInfo) -> dict[str, Any]:
    """Turn a backend's info into plain JSON data."""
    return {
        "id": info.id,
        "library": info.library,
        "version": info.version,
        "device": info.device,
        "operations": {
            str(operation): {"provision": str(how.provision), "spelling": how.spelling}
            for operation, how in info.operations.items()
        },
        "capabilities": sorted(str(capability) for capability in info.capabilities),
        "fresh_worker_after_bad_index": info.fresh_worker_after_bad_index,
    }


@dataclass
class _Held:
    """A prepared call that is kept for timing."""

    call: Call
    thunk: Callable[[], Any]
    answer: Any = None


class Worker:
    """Answers one request at a time for one backend."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._held: dict[int, _Held] = {}
        self._requests: dict[str, Callable[[dict[str, Any], dict[str, np.ndarray]], Reply]] = {
            "ask": self.ask,
            "hold": self.hold,
            "time": self.time_block,
            "answer": self.held_answer,
            "drop": self.drop,
        }

    def reply(self, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Reply:
        """Answer one frame; whatever the backend raises becomes data."""
        return self._requests[header["request"]](header, arrays)

    def ask(self, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Reply:
        """Prepare a call, run it once and bring the answer home."""
        call = _call(header, arrays)
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            status, result = _attempt(lambda: self.backend.prepare(call), "prepare")
            if status is None:
                status, result = _attempt(result, "call")
        seconds = time.perf_counter() - started
        if status is not None:
            return {**status, "seconds": seconds}, {}
        return self._bring_home(result, {"seconds": seconds})

    def _bring_home(self, answer: Any, header: dict[str, Any]) -> Reply:
        failed, mapping = _attempt(lambda: self.backend.to_numpy(answer), "to_numpy")
        if failed is None:
            failed, mapping = _attempt(lambda: _checked(mapping), "to_numpy")
        if failed is not None:
            return {**failed, **header, "status": "errored"}, {}
        return {"status": "answered", **header}, mapping

    def hold(self, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Reply:
        """Prepare a call, keep its thunk under an id, and time preparation and first call."""
        call = _call(header, arrays)
        started = time.perf_counter()
        status, thunk = _attempt(lambda: self.backend.prepare(call), "prepare")
        prepared = time.perf_counter()
        if status is not None:
            return status, {}
        status, answer = _attempt(thunk, "call")
        called = time.perf_counter()
        if status is not None:
            return status, {}
        self._held[header["id"]] = _Held(call, thunk, answer)
        times = {"prepare_seconds": prepared - started, "first_call_seconds": called - prepared}
        return {"status": "answered", **times}, {}

    def time_block(self, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Reply:
        """Run held thunks `repeats` times in turn and return the seconds that the block took."""
        del arrays
        held = [self._held[id_] for id_ in header["ids"]]
        thunks = [item.thunk for item in held]
        repeats = range(header["repeats"])
        gc.collect()
        gc.disable()
        status, seconds = _attempt(lambda: _run_block(thunks, repeats, held[-1]), "call")
        gc.enable()
        return (status, {}) if status is not None else ({"status": "answered", **seconds}, {})

    def held_answer(self, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Reply:
        """Bring home the last answer that a held thunk gave."""
        del arrays
        return self._bring_home(self._held[header["id"]].answer, {})

    def drop(self, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Reply:
        """Forget held thunks."""
        del arrays
        for id_ in header["ids"]:
            self._held.pop(id_, None)
        return {"status": "answered"}, {}


def _run_block(thunks: list[Callable[[], Any]], repeats: range, last: _Held) -> dict[str, float]:
    cpu_started = time.process_time()
    started = time.perf_counter()
    for _ in repeats:
        for thunk in thunks:
            answer = thunk()
    seconds = time.perf_counter() - started
    cpu_seconds = time.process_time() - cpu_started
    last.answer = answer
    return {"seconds": seconds, "cpu_seconds": cpu_seconds}


def _attempt(action: Callable[[], Any], stage: str) -> tuple[dict[str, Any] | None, Any]:
    """Run something of the backend's; return (None, result), or how it failed."""
    try:
        return None, action()
    except Unsupported as reason:
        status = "unsupported" if stage == "prepare" else "errored"
        return _failure(status, stage, reason), None
    except Exception as error:  # noqa: BLE001  (whatever a library raises is data here)
        return _failure("rejected", stage, error), None
    except BaseException as error:  # noqa: BLE001  (SystemExit would end the caller's process)
        return _failure("exited", stage, error), None


def _failure(status: str, stage: str, error: BaseException) -> dict[str, Any]:
    try:
        message = str(error)
    except Exception as broken:  # noqa: BLE001  (an exception's own __str__ may fail)
        message = f"<no message: str() raised {type(broken).__name__}>"
    return {
        "status": status,
        "stage": stage,
        "exception": type(error).__name__,
        "message": message[:MESSAGE_LIMIT].encode("utf-8", "replace").decode(),
    }


def _checked(answer: Any) -> dict[str, np.ndarray]:
    """Make sure that an answer is a mapping from names to arrays of plain numbers."""
    if not isinstance(answer, Mapping):
        raise TypeError(f"to_numpy returned a {type(answer).__name__}, not a mapping of arrays")
    for name, array in answer.items():
        if not isinstance(name, str) or not isinstance(array, np.ndarray):
            raise TypeError(f"to_numpy returned {name!r}: {type(array).__name__}, not an array")
        if array.dtype.name not in wire.DTYPES:
            raise TypeError(f"to_numpy returned {name!r} with dtype {array.dtype}")
    return dict(answer)


def _call(header: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> Call:
    call = header["call"]
    return Call(Operation(call["operation"]), arrays, call["options"], tuple(call["observe"]))


def main(name: str, read_fd: int, write_fd: int) -> None:
    """Say hello with the backend's info, or why there is none, then answer until told to stop."""
    with os.fdopen(read_fd, "rb") as requests, os.fdopen(write_fd, "wb") as replies:
        started = time.perf_counter()
        try:
            backend = discovery.create(name)
        except (Unavailable, ImportError, OSError) as reason:
            wire.send(replies, {"status": "unavailable", "message": str(reason)}, {})
            return
        except BaseException as error:  # noqa: BLE001  (an adapter's own fault is data here)
            wire.send(replies, _failure("errored", "import", error), {})
            return
        hello = {
            "status": "ready",
            "info": describe_info(backend.info),
            "import_seconds": time.perf_counter() - started,
        }
        wire.send(replies, hello, {})
        worker = Worker(backend)
        while True:
            try:
                header, arrays = wire.receive(requests)
            except wire.Broken:
                return
            wire.send(replies, *worker.reply(header, arrays))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
