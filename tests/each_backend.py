"""Helpers for tests of every backend, in its own session or wherever its library is installed."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from embcheck.conformance.execution.discovery import own_backends

ON_CPU = [name for name in own_backends() if "@" not in name]


def asked(quick: tuple[str, ...] = ()) -> list[object]:
    """Return a parameter for each CPU backend; mark all but the `quick` ones `each_backend`.

    The mark keeps slow backends out of the usual session of tests.
    """
    mark = pytest.mark.each_backend
    return [pytest.param(name, marks=[] if name in quick else mark) for name in ON_CPU]


def absent(backend: str, reason: object) -> NoReturn:
    """Skip the test because a backend is unavailable; fail instead in the backend's own session."""
    if os.environ.get("EMBCHECK_REQUIRE_BACKEND") == backend:
        pytest.fail(f"{backend} is unavailable in its own session: {reason}")
    pytest.skip(str(reason))
