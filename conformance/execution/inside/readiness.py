"""Whether an answer exists when its call returns: what can be seen of that in a worker.

Three looks, of which the first two hang on no time. The bytes of an answer change after the call
has returned. An answer shows an index that was changed only then. Or an answer that was just
returned is read more slowly than one that had time to be there.
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
from embcheck.conformance.execution.messages import WhichAnswer
from embcheck.conformance.execution.same import same_bits

Arrays = Mapping[str, np.ndarray]

LOOKS_AT_BYTES = 5
SETTLE_SECONDS = 0.005
LONGEST_SECONDS = 1.0
"""Between two readings of an answer: at first, and at most where they go on to differ."""
READS_AT_ONCE = 5


def look_at_bytes(held: Held, header: Mapping[str, Any]) -> Reply:
    """Count the calls whose answer has other bytes a while after it was returned.

    The last answer is overwritten before, since the next one may lie in its memory. The control is
    the same answer, read twice in a row once it no longer changes: where these readings differ too,
    it is reading that changes them, and the call does not count.
    """
    del header
    changed = 0
    for _ in range(LOOKS_AT_BYTES):
        reply, last = held.home()
        if reply["status"] != "answered":
            return reply, {}
        overwritten = {name: array.copy() for name, array in last.items() if array.flags.writeable}
        for name in overwritten:
            last[name].fill(-1)
        failed = held.run()
        # The wait is longer than a call, in which an answer that was put off would be computed.
        if failed is None:
            changed += _changes(held, held.copied_home()[1], max(SETTLE_SECONDS, 2 * held.seconds))
        for name, array in overwritten.items():
            np.copyto(last[name], array)
        if failed is not None:
            return failed, {}
    return {"status": "answered", "changed": changed, "calls": LOOKS_AT_BYTES}, {}


def _changes(held: Held, at_once: Arrays, wait: float) -> bool:
    """Whether an answer is no longer what it was at once, and stays what it has become."""
    time.sleep(wait)
    later = held.copied_home()[1]
    if _same(at_once, later):
        return False
    # Two readings in a row that agree are the answer as it stays.
    while not _same(later, again := held.copied_home()[1]):
        if wait > LONGEST_SECONDS:
            return False
        time.sleep(wait)
        later, wait = held.copied_home()[1], 2 * wait
    return not _same(at_once, again)


def _same(one: Arrays, other: Arrays) -> bool:
    return one.keys() == other.keys() and all(same_bits(one[name], other[name]) for name in one)


def late_probe(held: Held, header: Mapping[str, Any]) -> Reply:
    """Change one index once the call has returned, and only then bring its answer home.

    An answer that shows the change did not exist when the call returned.
    """
    held = replace(held)
    failed = held.run()
    if failed is not None:
        return failed, {}
    with held.changed_index(header):
        return held.copied_home()


def read_at_once(held: Held, header: Mapping[str, Any]) -> Reply:
    """Bring answers home the moment that their calls return; tell the seconds of both."""
    del header
    calls, readings = [], []
    for _ in range(READS_AT_ONCE):
        failed = held.run()
        if failed is not None:
            return failed, {}
        reading, (reply, _) = timed(held.home)
        if reply["status"] != "answered":
            return reply, {}
        calls.append(held.seconds)
        readings.append(reading)
    return {"status": "answered", "call_seconds": calls, "read_seconds": readings}, {}


def read(held: Held, header: Mapping[str, Any]) -> Reply:
    """Tell the seconds that an answer takes to be read right after a call has returned.

    The header's `answer` says which one. Everything else is the same for all three: what was called
    and read before, the call that has just returned, what its threads do, and what lies in caches.
    Two answers are given time to exist, `wait` seconds. After that, calls follow one another as
    they do in a block, each when the answer of the one before is there.
    """
    held = replace(held)
    which = WhichAnswer(header["answer"])
    answers: list[Any] = []

    def call() -> dict[str, Any] | None:
        failed = held.run()
        answers.append(held.answer)
        return failed

    failed = call() or call()
    if failed is None:
        time.sleep(header["wait"])
        # Some answer is read here in any case: only which one differs.
        first = replace(held, answer=answers[which is WhichAnswer.READ])
        failed = _unless_answered(first.home()) or call() or _unless_answered(held.home()) or call()
    if failed is not None:
        return failed, {}
    held.answer = answers[-1 if which is WhichAnswer.FRESH else 1]
    seconds, (reply, _) = timed(held.home)
    return {**reply, "seconds": seconds}, {}


def _unless_answered(reply: Reply) -> dict[str, Any] | None:
    return None if reply[0]["status"] == "answered" else reply[0]


LOOKS: Mapping[str, Callable[[Held, Mapping[str, Any]], Reply]] = {
    "look_at_bytes": look_at_bytes,
    "late_probe": late_probe,
    "read_at_once": read_at_once,
    "read": read,
}
