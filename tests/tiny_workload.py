"""A workload that takes no time, for the tests of what times it."""

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
    """Write a file of a plain lookup, given what stands under its two profiles."""
    return _TEXT.format(quick=quick, full=full)
