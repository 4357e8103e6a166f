"""Several calls of one backend in one worker, each in a lane of its own.

Times differ between two processes of one backend by more than most options cost. So paired calls
are timed in the same process, on the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.contract.call import Call
from embcheck.conformance.execution.client import WorkerClient
from embcheck.conformance.execution.protocol.answers import Answer, Answered
from embcheck.conformance.execution.protocol.messages import describe_call

WIDTH = 1_000_000
"""Ids of held calls in a lane; an arm uses fewer."""


class Lane:
    """A share of a worker, whose held calls have ids of their own; an arm uses it as its worker.

    `spelling` names one of the adapter's other spellings, by which calls are prepared.
    """

    def __init__(
        self, client: WorkerClient | Lane, number: int, spelling: str | None = None
    ) -> None:
        self._client = client
        self._first = number * WIDTH
        self._spelling = spelling
        self._held: set[int] = set()

    def on(self, client: WorkerClient) -> Lane:
        """Return a lane of the same spelling in another worker, where it is the only one."""
        return Lane(client, 0, self._spelling)

    @property
    def info(self) -> BackendInfo:
        """The backend's info."""
        return self._client.info

    @property
    def pid(self) -> int | None:
        """The worker's process id, while it lives."""
        return self._client.pid

    @property
    def import_seconds(self) -> float:
        """The seconds of the import."""
        return self._client.import_seconds

    def request(
        self,
        header: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray] | None = None,
    ) -> Answer:
        """Send a request with the lane's ids; `drop` without ids means those of the lane."""
        moved = dict(header)
        if header["request"] == "hold":
            self._held.add(header["id"])
            moved["spelling"] = self._spelling
        if header["request"] == "drop":
            moved["ids"] = sorted(self._held) if header["ids"] is None else header["ids"]
        if "id" in header:
            moved["id"] = header["id"] + self._first
        if moved.get("ids") is not None:
            moved["ids"] = [id_ + self._first for id_ in moved["ids"]]
        return self._client.request(moved, arrays)


def spellings_of(client: WorkerClient | Lane, call: Call) -> list[str]:
    """Ask a worker for the adapter's other spellings of a call; none if it does not answer."""
    # Nothing is stored in the worker yet, so all arrays are sent with the request.
    header = {"request": "spellings", "call": describe_call(call), "stored": []}
    answer = client.request(header, call.inputs)
    return list(answer.details["names"]) if isinstance(answer, Answered) else []


def is_named(name: str, wanted: str) -> bool:
    """Whether a spelling is the wanted one; `wanted` may omit what stands after `#`."""
    return wanted in (name, name.partition("#")[0].strip())
