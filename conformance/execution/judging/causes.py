"""Causes of departures, and the category that follows from each: who is responsible."""

from __future__ import annotations

import re
from enum import StrEnum


class Cause(StrEnum):
    """What makes a backend depart."""

    DOCUMENTED = "documented"
    """The library documents this behaviour; the entry links to the page that says so."""
    UNDOCUMENTED = "undocumented"
    """The library departs, and its documentation does not say so."""
    MEMORY_UNSAFETY = "memory-unsafety"
    """The library reads or writes memory that is not its own, or dies of it, documented or not."""
    COMPOSITION = "composition"
    """The library lacks the operation, and the composition of its parts here departs."""
    ENVIRONMENT = "environment"
    """The harness's settings cause it: a flag, a time limit, a number of threads."""


class Category(StrEnum):
    """Who is responsible for a departure."""

    BUG = "bug"
    BY_DESIGN = "by-design"
    COMPOSITION = "composition"
    ENVIRONMENT = "environment"


CATEGORIES = {
    Cause.DOCUMENTED: Category.BY_DESIGN,
    Cause.UNDOCUMENTED: Category.BUG,
    Cause.MEMORY_UNSAFETY: Category.BUG,
    Cause.COMPOSITION: Category.COMPOSITION,
    Cause.ENVIRONMENT: Category.ENVIRONMENT,
}
"""The category of each cause; nothing else decides it."""

REPLACED = {
    "by-design": (Cause.DOCUMENTED,),
    "upstream-bug": (Cause.UNDOCUMENTED, Cause.MEMORY_UNSAFETY),
    "adapter": (Cause.COMPOSITION, Cause.ENVIRONMENT),
}
"""The causes to write instead of the categories that entries once stated."""

_DISCUSSION = re.compile(r"https?://github\.com/[^/]+/[^/]+/(issues|pull|discussions|commit)/")


def leads_to_documentation(link: str) -> bool:
    """Whether a link may lead to documentation: GitHub issues, pull requests and commits do not."""
    return bool(link) and _DISCUSSION.match(link) is None
