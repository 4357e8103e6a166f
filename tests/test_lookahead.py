"""Backends answer ahead of the case that is waited for, and slow ones get a second worker."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from embcheck.conformance.execution import lookahead

CASES = [SimpleNamespace(id=str(number)) for number in range(40)]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(lookahead, "PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(lookahead, "MANY_CASES", 5)
    monkeypatch.setattr(lookahead, "DEPTH", 10)
    monkeypatch.setattr(lookahead, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(lookahead, "LONG_SECONDS", 0.0)
    monkeypatch.setattr(lookahead, "free_cores", lambda _: 1.0)


def test_a_slow_backend_is_helped_where_a_core_is_free():
    """A slow backend's second worker takes some of its calls, and no call is made twice."""
    helped, asked = threading.Event(), []

    def run(case, backend, copy):
        asked.append((backend, copy, case.id))
        if copy:
            helped.set()
        elif backend == "slow":
            assert helped.wait(20), "no second worker came"
        return f"{backend}{case.id}"

    pairs = [(case, backend) for case in CASES for backend in ("slow", "quick")]
    ahead = lookahead.Lookahead(pairs, run)
    assert [ahead.result(*pair) for pair in pairs] == [f"{b}{case.id}" for case, b in pairs]
    assert ("slow", 1) in {(backend, copy) for backend, copy, _ in asked}
    assert len({(backend, case) for backend, _, case in asked}) == len(asked) == len(pairs)
    ahead.join()


def test_a_backend_as_far_ahead_as_it_may_be_is_not_helped(monkeypatch):
    """A backend that is as far ahead as allowed gets no second worker."""
    monkeypatch.setattr(lookahead, "PATIENCE_SECONDS", 0.3)
    asked = []
    pairs = [(case, "quick") for case in CASES]
    ahead = lookahead.Lookahead(pairs, lambda case, _, copy: asked.append((case.id, copy)))
    time.sleep(0.6)
    assert asked == [(case.id, 0) for case in CASES[: lookahead.DEPTH]]
    ahead.stop()
    ahead.join()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        # A second worker would only slow the others down.
        ("free_cores", lambda _: 0.3),
        # It imports the library again, which would take longer than what is left.
        ("LONG_SECONDS", 60.0),
    ],
    ids=["all cores are taken", "it is nearly done"],
)
def test_a_slow_backend_is_not_helped_where_that_does_not_pay(setting, value, monkeypatch):
    """A slow backend gets no second worker if all cores are busy or it is nearly done."""
    monkeypatch.setattr(lookahead, setting, value)
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
