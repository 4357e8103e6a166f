"""Whether an answer is complete when its call returns, as far as a worker can see.

There are three signs that it is not; the first two do not depend on times. The bytes of the answer
change after the call has returned. The answer shows an index that was changed only after the call.
An answer that was just returned is read more slowly than one that had time to be computed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from embcheck.conformance.execution.inside.attempt import Reply
from embcheck.conformance.execution.inside.blocks import timed
from embcheck.conformance.execution.inside.held_call import Held
from embcheck.conformance.execution.protocol.messages import WhichAnswer
from embcheck.conformance.execution.same import same_arrays

Arrays = Mapping[str, np.ndarray]

LOOKS_AT_BYTES = 5
SETTLE_SECONDS = 0.005
LONGEST_SECONDS = 1.0
"""Seconds between two readings of an answer: at first, and at most if they go on to differ."""
READS_AT_ONCE = 5


def look_at_bytes(held: Held, _header: Mapping[str, Any]) -> Reply:
    """Count the calls whose answer has other bytes some time after it was returned.

    The last answer is overwritten before each call, since the next one may lie in its memory. The
    control is the same answer, read until two readings agree. If none agree, reading itself changes
    the answer, and the call does not count.
    """
    changed = 0
    for _ in range(LOOKS_AT_BYTES):
        last = held.home()
        overwritten = {name: array.copy() for name, array in last.items() if array.flags.writeable}
        for name in overwritten:
            last[name].fill(-1)
        try:
            held.run()
            # The wait is longer than a call, so that a deferred answer would be computed in it.
            changed += _changes(held, held.copied_home(), max(SETTLE_SECONDS, 2 * held.seconds))
        finally:
            for name, array in overwritten.items():
                np.copyto(last[name], array)
    return {"changed": changed, "calls": LOOKS_AT_BYTES}, {}


def _changes(held: Held, at_once: Arrays, wait: float) -> bool:
    """Whether an answer changed after its call, and then stayed the same."""
    time.sleep(wait)
    later = held.copied_home()
    if same_arrays(at_once, later):
        return False
    # When two readings in a row agree, the answer has stopped changing.
    while not same_arrays(later, again := held.copied_home()):
        if wait > LONGEST_SECONDS:
            return False
        time.sleep(wait)
        later, wait = held.copied_home(), 2 * wait
    return not same_arrays(at_once, again)


def late_probe(held: Held, header: Mapping[str, Any]) -> Reply:
    """Change one index after the call has returned, and only then read the answer.

    An answer that shows the change was not complete when the call returned.
    """
    held = replace(held)
    held.run()
    with held.changed_index(header):
        return {}, held.copied_home()


def read_at_once(held: Held, _header: Mapping[str, Any]) -> Reply:
    """Read answers as soon as their calls return; return the seconds of calls and readings."""
    calls, readings = [], []
    for _ in range(READS_AT_ONCE):
        held.run()
        reading, _ = timed(held.home)
        calls.append(held.seconds)
        readings.append(reading)
    return {"call_seconds": calls, "read_seconds": readings}, {}


def read(held: Held, header: Mapping[str, Any]) -> Reply:
    """Return the seconds that reading an answer takes right after a call has returned.

    The header's `answer` says which answer is read. Everything else is the same for all three: the
    calls and readings before, the call that has just returned, what its threads do, and what is in
    the caches. The first two answers get `wait` seconds to be computed. After that, calls follow
    one another as in a block, each when the answer before it is there.
    """
    held = replace(held)
    which = WhichAnswer(header["answer"])
    answers: list[Any] = []

    def call() -> None:
        held.run()
        answers.append(held.answer)

    call()
    call()
    time.sleep(header["wait"])
    # One answer is read here in any case: only which one differs.
    replace(held, answer=answers[which is WhichAnswer.READ]).home()
    call()
    held.home()
    call()
    held.answer = answers[-1 if which is WhichAnswer.FRESH else 1]
    seconds, _ = timed(held.home)
    return {"seconds": seconds}, {}


LOOKS: Mapping[str, Callable[[Held, Mapping[str, Any]], Reply]] = {
    "look_at_bytes": look_at_bytes,
    "late_probe": late_probe,
    "read_at_once": read_at_once,
    "read": read,
}
