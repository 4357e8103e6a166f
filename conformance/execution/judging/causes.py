"""Why a backend departs, and the category that follows from it: whose verdict a departure is."""

from __future__ import annotations

import re
from enum import StrEnum


class Cause(StrEnum):
    """What makes a backend depart."""

    DOCUMENTED = "documented"
    """The library documents that it does so; the entry links to the page that says it."""
    UNDOCUMENTED = "undocumented"
    """The library does otherwise, and its documentation does not say so."""
    MEMORY_UNSAFETY = "memory-unsafety"
    """The library reads or writes memory that is not its own, or dies of it, documented or not."""
    COMPOSITION = "composition"
    """The library lacks the operation, and what is composed of its parts here does otherwise."""
    ENVIRONMENT = "environment"
    """The harness' settings: a flag, a time limit, a number of threads."""


class Category(StrEnum):
    """Whose a departure is."""

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
"""What to write for the categories that entries once had."""

_DISCUSSION = re.compile(r"https?://github\.com/[^/]+/[^/]+/(issues|pull|discussions|commit)/")


def leads_to_documentation(link: str) -> bool:
    """Whether a link can lead to documentation, which a discussion of a defect is not."""
    return bool(link) and _DISCUSSION.match(link) is None
