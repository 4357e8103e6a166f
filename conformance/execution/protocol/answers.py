"""Answers: the ways in which a request to a worker may end."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np

from embcheck.conformance.execution.protocol.checks import (
    Check,
    clean,
    count,
    fields,
    flag,
    long_text,
    many,
    maybe,
    named,
    number,
    plain,
    seconds,
    text,
)
from embcheck.conformance.execution.protocol.messages import parted
from embcheck.conformance.execution.protocol.wire import Broken


class Refuser(StrEnum):
    """Who raised an error: the library, an earlier stage such as an exporter, or the adapter."""

    LIBRARY = "library"
    EARLIER = "earlier"
    ADAPTER = "adapter"


@dataclass(frozen=True)
class Answered:
    """The call returned, with these arrays by observation name.

    `details` are the other fields of the reply; `ANSWERS` lists them for each request.
    """

    arrays: Mapping[str, np.ndarray]
    seconds: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rejected:
    """The call raised an error; `refuser` says who raised it."""

    exception: str
    message: str
    seconds: float = 0.0
    refuser: Refuser = Refuser.LIBRARY
    unread: tuple[str, ...] = ()
    """Options and inputs that the adapter had not read by then: see `tracking.unread`."""


@dataclass(frozen=True)
class NotSupported:
    """The backend cannot express the call, and says why."""

    reason: str
    unread: tuple[str, ...] = ()
    """As in `Rejected`."""


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


def why_none(answer: Answer) -> str:
    """Say why a request returned no arrays."""
    match answer:
        case Rejected():
            return f"{answer.exception}: {answer.message}"
        case NotSupported():
            return answer.reason
        case TimedOut():
            return f"no answer came in {answer.seconds:g} s"
        case Crashed() | Errored():
            return answer.message
    return "it answered"


LAST_LINE = 200
"""The most characters of a last line; Python's says which error ended the process."""

_TOLD = {"unread": many(text), "helped": many(text)}
"""Fields that tell what an adapter did during a call."""

ANSWERS: Mapping[str, Check] = {
    "ask": fields(
        {"seconds": seconds}, {**_TOLD, "differing": many(text), "unchanged": many(text)}
    ),
    "ask_large": fields(
        {
            **_TOLD,
            "seconds": seconds,
            "shapes": named(many(count)),
            "dtypes": named(text),
            "changed": many(text),
            "not_reported": many(text),
        }
    ),
    "by_step": fields(
        {},
        {
            "failed_in": text,
            "said": text,
            "lost": many(text),
            "differing": many(text),
            "overwritten": many(text),
        },
    ),
    "script": fields({"script": long_text}),
    "origin": fields(
        {"modules": many(fields({"module": text, "file": maybe(text), "doc": maybe(long_text)}))}
    ),
    "source": fields({"sha256": text}),
    "uncompiled": fields({"folders": many(text)}),
    "store": fields({}),
    "hold": fields(
        {"prepare_seconds": seconds, "first_call_seconds": seconds, "second_call_seconds": seconds},
        {"artefact_bytes": count},
    ),
    "spellings": fields({"names": many(text)}),
    "device": fields(
        {
            "device_seconds": many(seconds),
            "state": fields({"before": named(plain), "after": named(plain)}),
        }
    ),
    "answer": fields({}),
    "probe": fields({}),
    "late_probe": fields({}),
    "poison": fields({"overwritten": many(text), "remembered": flag}),
    "settle": fields({"timer_seconds": number, "loop_seconds": number}),
    "threads": fields(
        {
            "pools": named(count),
            "threads_by_name": named(count),
            "working_threads": maybe(count),
        }
    ),
    "time": fields(
        {
            # `timing.clock.outside` compares a worker's clocks with the harness's.
            "begun": number,
            "ended": number,
            "cpu_begun": number,
            "cpu_ended": number,
            "seconds": number,
            "switches": count,
            "cpu_seconds": number,
            "idle_seconds": number,
            "idle_cpu_seconds": number,
            "background_seconds": number,
            "untimed_cpu_seconds": number,
        }
    ),
    "drop": fields({}),
    "look_at_bytes": fields({"changed": count, "calls": count}),
    "read_at_once": fields({"call_seconds": many(seconds), "read_seconds": many(seconds)}),
    "read": fields({"seconds": seconds}),
    "change": fields({}),
    "fresh_calls": fields({"seconds": many(number)}),
    "reading_work": fields(
        {
            "call_seconds": many(number),
            "read_cpu_seconds": many(number),
            "copy_cpu_seconds": many(number),
        }
    ),
}
"""The fields of the reply to each request that was answered; any other field breaks the
protocol."""

ANY_WORKERS = ("ask", "by_step", "script", "origin", "source", "uncompiled")
"""Requests that a fresh worker can answer too: they need no held call."""

_FAILED = fields(
    {"exception": text, "message": text},
    {**_TOLD, "stage": text, "seconds": seconds, "refuser": text, "late": flag},
)
_FAILURES = dict.fromkeys(("rejected", "unsupported", "exited", "errored"), _FAILED)


def parse_answer(
    reply: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    asked: Mapping[str, Any] = MappingProxyType({"request": "ask"}),
    inputs: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> Answer:
    """Turn the reply to a request into an answer; `asked` is the header of the request.

    Inputs that the reply names as unchanged are taken from `inputs`. Raises Broken for a header
    that no worker sends.
    """
    # A large call is the same request, but its reply has other fields.
    request = "ask_large" if "made" in asked else asked["request"]
    status, told = parted(reply, "the reply", {**_FAILURES, "answered": ANSWERS[request]})
    if status == "answered":
        same = _unchanged(told.get("unchanged", ()), arrays, inputs)
        return Answered({**arrays, **same}, told.get("seconds", 0.0), told)
    said = f"{told['exception']}: {told['message']}"
    if status == "rejected":
        return Rejected(
            told["exception"],
            told["message"],
            told.get("seconds", 0.0),
            refuser_of(told),
            tuple(told.get("unread", ())),
        )
    if status == "unsupported":
        return NotSupported(told["message"], tuple(told.get("unread", ())))
    if status == "exited":
        return Crashed(f"raised {said}, which ends the caller's process")
    return Errored(f"{told.get('stage', 'it')} raised {said}", late=told.get("late", False))


def _unchanged(
    names: Iterable[str], arrays: Mapping[str, np.ndarray], inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the inputs that a reply names as unchanged; raises Broken for any other name."""
    given = {f"{name}_after": array for name, array in inputs.items()}
    if unknown := [name for name in names if name not in given or name in arrays]:
        said = clean(unknown[0], LAST_LINE)
        raise Broken(f"'{said}' is said to be unchanged, but was not given, or came as well")
    return {name: given[name] for name in names}


def broken_protocol(broken: Exception) -> Errored:
    """Make the answer for a reply that breaks the protocol, since the library's is not known."""
    return Errored(f"the worker broke the protocol: {broken}")


def death_of(code: int, printed: str = "") -> str:
    """Say how a process ended: by exit code (negative for a signal) and last printed line."""
    if code < 0:
        names = {int(known): known.name for known in signal.Signals}
        return f"the process died of {names.get(-code, f'signal {-code}')}"
    last = clean("".join(printed.splitlines()[-1:]), LAST_LINE) if code else ""
    return f"the process ended with exit code {code}{': ' if last else ''}{last}"


def refuser_of(told: Mapping[str, Any]) -> Refuser:
    """Return who raised an error, as a reply says; raises Broken if that is no `Refuser`."""
    try:
        return Refuser(told.get("refuser", "library"))
    except ValueError as error:
        raise Broken(f"the reply's refuser: {error}") from None
