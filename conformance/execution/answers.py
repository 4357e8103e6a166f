"""What a backend made of a call, as judges read it: the ways in which a request may end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np


class Refuser(StrEnum):
    """Who raised an error."""

    LIBRARY = "library"
    EARLIER = "earlier"
    ADAPTER = "adapter"


@dataclass(frozen=True)
class Answered:
    """The call returned, with these arrays by observation name."""

    arrays: Mapping[str, np.ndarray]
    seconds: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rejected:
    """The call was refused before it returned, by the library or by what stands before it."""

    exception: str
    message: str
    seconds: float = 0.0
    refuser: Refuser = Refuser.LIBRARY


@dataclass(frozen=True)
class NotSupported:
    """The backend cannot express the call, and says why."""

    reason: str


@dataclass(frozen=True)
class Crashed:
    """The worker process died, or the library asked for it to end, after some seconds."""

    message: str
    seconds: float = 0.0


@dataclass(frozen=True)
class TimedOut:
    """No answer came in time; the worker was killed."""

    seconds: float


@dataclass(frozen=True)
class Errored:
    """The adapter or the harness is at fault; `late` if Unsupported came after `prepare`."""

    message: str
    late: bool = False


Answer = Answered | Rejected | NotSupported | Crashed | TimedOut | Errored


def parse_answer(reply: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Answer:
    """Make an answer of the reply that a worker sent, its header and its arrays."""
    status = reply["status"]
    if status == "answered":
        return Answered(arrays, reply.get("seconds", 0.0), reply)
    said = f"{reply['exception']}: {reply['message']}"
    if status == "rejected":
        seconds, refuser = reply.get("seconds", 0.0), Refuser(reply.get("refuser", "library"))
        return Rejected(reply["exception"], reply["message"], seconds, refuser)
    if status == "unsupported":
        return NotSupported(reply["message"])
    if status == "exited":
        return Crashed(f"raised {said}, which ends the caller's process")
    return Errored(f"{reply['stage']} raised {said}", late=reply.get("late", False))
