"""Backends answer ahead of the case that is waited for, and a slow one gets a second worker."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from embcheck.conformance.execution import lookahead

CASES = [SimpleNamespace(id=str(number)) for number in range(40)]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(lookahead, "PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(lookahead, "MUCH", 5)
    monkeypatch.setattr(lookahead, "DEPTH", 10)
    monkeypatch.setattr(lookahead.os, "cpu_count", lambda: 2)


def test_a_slow_backend_is_helped_while_the_others_are_as_far_ahead_as_they_may_be():
    """A quick backend that waits for room holds no core."""
    helped, asked = threading.Event(), []

    def run(case, backend, copy):
        asked.append((backend, case.id))
        if copy and backend == "slow":
            helped.set()
        elif backend == "slow":
            assert helped.wait(20), "no second worker came"
        return f"{backend}{case.id}"

    pairs = [(case, backend) for case in CASES for backend in ("slow", "quick")]
    ahead = lookahead.Lookahead(pairs, run)
    assert [ahead.result(*pair) for pair in pairs] == [f"{b}{case.id}" for case, b in pairs]
    assert len(asked) == len(set(asked)) == len(pairs), "a call was made twice"
    ahead.join()


def test_a_slow_backend_is_not_helped_while_all_cores_are_taken(monkeypatch):
    """A second worker would only slow the others down."""
    monkeypatch.setattr(lookahead.os, "cpu_count", lambda: 1)
    release, copies = threading.Event(), []

    def run(case, _, copy):
        copies.append(copy)
        release.wait(0.02)
        return case.id

    pairs = [(case, "slow") for case in CASES]
    ahead = lookahead.Lookahead(pairs, run)
    assert [ahead.result(*pair) for pair in pairs] == [case.id for case in CASES]
    assert not any(copies)
    ahead.join()
