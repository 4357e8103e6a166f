"""Checks of accessibility by axe-core, a file in the package axe-playwright-python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

RUN = """
const [within, done] = arguments;
axe.run(within || document, { resultTypes: ["violations"] }).then(
  (found) => done(found.violations.map((one) => [one.id, one.nodes.map((node) => node.html)])),
  (error) => done([["axe failed", [String(error)]]]));
"""
SHOWN = 3


@cache
def source() -> str:
    """Return axe-core as text; skip where it is missing, or fail where a browser is required."""
    spec = find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        reason = "needs axe-playwright-python, installed with --no-deps"
        if os.environ.get("EMBCHECK_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return (Path(spec.origin).parent / "axe.min.js").read_text("utf-8")


def violations(window: Any, within: str = "") -> Mapping[str, list[str]]:
    """Return the rules that the page breaks, each with some of the elements that break it.

    With a selector in `within`, only the elements inside it are checked.
    """
    window.execute_script(source())
    return {
        str(rule): [str(node)[:200] for node in nodes[:SHOWN]]
        for rule, nodes in window.execute_async_script(RUN, within)
    }
