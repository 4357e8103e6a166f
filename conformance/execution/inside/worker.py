"""The worker process: imports one backend and answers requests; it may die of a call.

Started as `python -m embcheck.conformance.execution.inside.worker BACKEND READ_FD WRITE_FD`. What
the library prints goes to the worker's own stdout and stderr, never into the channel.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import Backend, Unavailable
from embcheck.conformance.contract.call import Call
from embcheck.conformance.contract.help import taken
from embcheck.conformance.execution import discovery
from embcheck.conformance.execution.inside.attempt import (
    Failed,
    Reply,
    attempt,
    bring_home,
    checked,
    describe_failure,
    run_call,
)
from embcheck.conformance.execution.inside.by_step import ask_by_step
from embcheck.conformance.execution.inside.channel import Channel, reply_of
from embcheck.conformance.execution.inside.held import HeldCalls
from embcheck.conformance.execution.inside.large_call import ask_large
from embcheck.conformance.execution.inside.spellings import SpelledBackend
from embcheck.conformance.execution.inside.start import start
from embcheck.conformance.execution.inside.tracking import tracked
from embcheck.conformance.execution.processor import with_processor
from embcheck.conformance.execution.protocol.messages import describe_info, parse_call
from embcheck.conformance.execution.same import same_bits


class Worker:
    """The worker of one backend, which answers one request at a time."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._requests: dict[str, Callable[[dict[str, Any], dict[str, np.ndarray]], Reply]] = {
            "ask": self.ask,
            "by_step": partial(ask_by_step, backend),
            "script": self.script,
            "origin": self.origin,
            "source": self.source,
            "uncompiled": self.uncompiled,
            **HeldCalls(backend).requests,
        }

    def hello(self, import_seconds: float) -> dict[str, Any]:
        """Return the first message: the backend's info, and this embcheck's version."""
        return {
            "status": "ready",
            "embcheck": version("embcheck"),
            "info": describe_info(with_processor(self.backend.info)),
            "import_seconds": import_seconds,
        }

    def reply(self, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Reply:
        """Answer one request; an error of the backend becomes a reply."""
        try:
            told, home = self._requests[header["request"]](header, arrays)
        except Failed as failed:
            return failed.header, {}
        return {"status": "answered", **told}, home

    def ask(self, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Reply:
        """Prepare a call, run it once and return its answer as arrays.

        With `again` in the header, the thunk runs twice: the second answer is returned, and
        `differing` names the observations whose bits differ from the first. With `made`, the arrays
        are made here, and only some places of the answer are returned. `spelling` selects another
        of the adapter's spellings. In the reply, `unchanged` names the inputs that the call left as
        they were; they are not sent back.
        """
        taken()  # Drops help that an earlier call declared after it was answered.
        if "made" in header:
            return ask_large(self.backend, header)
        came = {f"{name}_after": array.copy() for name, array in arrays.items()}
        call = tracked(parse_call(header["call"], arrays))
        spelled = header.get("spelling")
        backend = SpelledBackend(self.backend, spelled) if spelled else self.backend
        wrap = partial(twice, self.backend, call) if header.get("again") else None
        answer, told = run_call(backend, call, self.backend, wrap)
        if header.get("again"):
            first, answer = answer
        home = bring_home(self.backend.to_numpy, answer, told)
        if header.get("again"):
            told["differing"] = differing(first, home)
        # Inputs are most of what an answer holds, and comparing them is faster than sending them.
        same = [name for name in came if name in home and same_bits(home[name], came[name])]
        kept = {name: array for name, array in home.items() if name not in same}
        return {**told, "unchanged": same}, kept

    def source(self, _header: dict[str, Any], _arrays: dict[str, np.ndarray]) -> Reply:
        """Hash the sources of the adapter and of the code that it uses from its own distribution.

        These are all imported modules of its top-level package. For embcheck's own backends, the
        package is `embcheck.backends`, so that the harness is left out.
        """
        module = type(self.backend).__module__
        ours = module.startswith(f"{discovery.OWN_BACKENDS}.")
        package = discovery.OWN_BACKENDS if ours else module.partition(".")[0]
        digest = hashlib.sha256()
        for name in sorted(sys.modules):
            file = getattr(sys.modules[name], "__file__", None)
            if file and file.endswith(".py") and f"{name}.".startswith(f"{package}."):
                digest.update(Path(file).read_bytes())
        return {"sha256": digest.hexdigest()[:16]}, {}

    def uncompiled(self, _header: dict[str, Any], _arrays: dict[str, np.ndarray]) -> Reply:
        """Name the folders of imported modules that have no up-to-date bytecode file.

        Python would have written it at the import; this process may not.
        """
        # A copy of the list, since looking at a lazy module may import others.
        specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
        sources = {
            str(spec.origin): str(spec.cached)
            for spec in specs
            if isinstance(spec, ModuleSpec) and spec.origin and spec.cached
        }
        folders = {Path(of).parent for of, cached in sources.items() if not _is_newer(cached, of)}
        folders = set() if sys.dont_write_bytecode else folders
        return {"folders": sorted(map(str, folders))}, {}

    def script(self, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Reply:
        """Return a call as lines of the library's API."""
        if not hasattr(self.backend, "script"):
            reason = f"the adapter {self.backend.info.id} writes no scripts"
            raise Failed({"status": "unsupported", "message": reason, "exception": "", "stage": ""})
        call, write = parse_call(header["call"], arrays), self.backend.script
        text = attempt(lambda: _text(write(call)), "prepare")
        return {"script": text}, {}

    def origin(self, header: dict[str, Any], _arrays: dict[str, np.ndarray]) -> Reply:
        """Return name, file and docstring of the announced module and of the class's module."""
        announced = discovery.known_backends()[header["name"]].module
        names = dict.fromkeys([announced, type(self.backend).__module__])
        modules = [
            {"module": name, "file": getattr(module, "__file__", None), "doc": module.__doc__}
            for name, module in ((name, sys.modules[name]) for name in names)
        ]
        return {"modules": modules}, {}


def _is_newer(one: str, other: str) -> bool:
    try:
        return os.stat(one).st_mtime >= os.stat(other).st_mtime  # noqa: PTH116  (of thousands)
    except OSError:
        return False


def twice(backend: Backend, call: Call, thunk: Callable[[], Any]) -> Callable[[], Any]:
    """Return a function that calls a thunk twice: it returns copied first arrays, second answer."""

    def run() -> tuple[dict[str, np.ndarray], Any]:
        first = checked(backend.to_numpy(thunk()))
        # Copied, since the second call may write into the memory of the first answer.
        return {name: first[name].copy() for name in call.observe if name in first}, thunk()

    return run


def differing(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> list[str]:
    """Name the observations of an answer that a second one lacks or has with other bits."""
    return [
        name
        for name, array in first.items()
        # Bytes are compared, not numbers: NaN equals itself, and -0.0 differs from 0.
        if name not in second or array.tobytes() != second[name].tobytes()
    ]


def _text(script: Any) -> str:
    if not isinstance(script, str):
        raise TypeError(
            f"script() must return one str of Python lines, not {type(script).__name__}"
        )
    return script


def serve(channel: Channel, backend: Backend, import_seconds: float) -> None:
    """Send a hello with the backend's info, then answer requests until the pipe is closed."""
    worker = Worker(backend)
    hello, _ = reply_of(lambda: (worker.hello(import_seconds), {}))
    channel.reply(hello, {})
    while hello["status"] == "ready" and (request := channel.next()) is not None:
        channel.reply(*reply_of(partial(worker.reply, *request)))


def main(name: str, read_fd: int, write_fd: int) -> None:
    """Import a backend and serve it, or send the reason why it cannot run."""
    channel = Channel(read_fd, write_fd)  # Before the import, which may patch what it uses.
    try:
        backend, import_seconds = start(name)
    except BaseException as error:  # noqa: BLE001  (an adapter's own fault is data here)
        failure = describe_failure("errored", "import", error)
        if isinstance(error, (Unavailable, ImportError, OSError)):
            failure = {"status": "unavailable", "message": failure["message"]}
        channel.reply(failure, {})
        return
    serve(channel, backend, import_seconds)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
