"""A workload that takes almost no time, for the tests of timing runs."""

from __future__ import annotations

_TEXT = """\
id: TINY
title: a small one
stands_for: a test
operation: embedding
observe: [output]
dtype: float32
table: {{seed: 1}}
trace: {{seed: 2}}
profiles:
  quick: {{{quick}}}
  full: {{{full}}}
"""


def tiny_workload(quick: str, full: str) -> str:
    """Return the YAML text of a workload of plain lookups, given the fields of its two profiles."""
    return _TEXT.format(quick=quick, full=full)
