"""Tests that ask every backend: in its own session, or in any environment that has its library."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from embcheck.conformance.execution.discovery import own_backends

ON_CPU = [name for name in own_backends() if "@" not in name]


def asked(quick: tuple[str, ...] = ()) -> list[object]:
    """Parametrize by every backend; only the `quick` ones are asked beside the other tests."""
    mark = pytest.mark.each_backend
    return [pytest.param(name, marks=[] if name in quick else mark) for name in ON_CPU]


def absent(backend: str, reason: object) -> NoReturn:
    """Skip what a backend that is unavailable cannot answer; in its own session, fail."""
    if os.environ.get("EMBCHECK_REQUIRE_BACKEND") == backend:
        pytest.fail(f"{backend} is unavailable in its own session: {reason}")
    pytest.skip(str(reason))
