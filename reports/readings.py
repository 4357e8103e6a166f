"""The readings of undefined calls, each as one word."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from embcheck.reports.marks import LOOKS, Mark
from embcheck.reports.merge import Finding

OTHER: Final = "other"


@dataclass(frozen=True)
class Word:
    """A word of the ledger: its look, and what it means to a user of the library.

    `tone` names its colour; symbol and text distinguish words without it.
    """

    name: str
    symbol: str
    tone: str
    meaning: str
    pattern: str


@dataclass(frozen=True)
class Reading:
    """What a call did: its word, and the text as it was recorded.

    Two readings are the same if their `voice` is equal; None if that is not known.
    """

    word: Word
    text: str
    voice: str | None


WORDS: Final = (
    Word("raises", "⊘", "refused", "An error is raised: the caller notices at once.", "raises"),
    Word(
        "crash", "†", "died", "The process dies, and all that was in it is lost.", "crash(es|ed)?"
    ),
    Word("timeout", "◷", "died", "No answer in time.", "time(s|d)?[- ]?out"),
    Word(
        "clamps",
        "⇥",
        "row",
        "The nearest row that exists, with no sign.",
        r"clamps( to (the last row|row \d+))?",
    ),
    Word(
        "wraps",
        "↻",
        "row",
        "The index counts from the end, or modulo some number: another row, with no sign.",
        r"wraps( modulo 2\*\*32)?( \(row \d+\))?",
    ),
    Word(
        "another row",
        "↪",
        "row",
        "A row of the table that the index does not explain, with no sign.",
        r"another row( \(\d+\))?",
    ),
    Word("zeros", "0", "blank", "Zeros, with no sign; a sum does not show them.", "zeros"),
    Word("NaN", "≁", "blank", "NaN, which spreads through later results.", "NaN"),
    Word(
        "foreign values",
        "‼",
        "foreign",
        "Numbers that are not in the table: other memory was read.",
        "foreign values",
    ),
    Word("row N", "→", "plain", "Row N of the table; nothing more is known.", r"row \d+"),
    Word(OTHER, "?", "other", "None of these; the values are recorded.", OTHER),
)
SAID: Final = Word("as said", "•", "plain", "As the words say.", ".*")
_BLANK: Final = Word("nothing known", "", "nothing", "Unsupported, or not run.", "")
_ENDINGS: Final = {Mark.CRASHED: "crash", Mark.TIMED_OUT: "timeout"}
_UNKNOWN: Final = frozenset({Mark.UNSUPPORTED, Mark.NOT_RUN, Mark.ERRORED, Mark.OBSERVED})


def word_of(text: str) -> Word:
    """Return the word of a text; a new word if the text matches none."""
    return next((word for word in WORDS if re.fullmatch(word.pattern, text)), SAID)


def stated(text: str | None) -> Reading | None:
    """Return the reading that a case states for PyTorch, None if it states none."""
    return None if text is None else _said(str(text))


def reading_of(finding: Finding | None) -> Reading:
    """Return the reading of a finding; without a finding the backend was not asked."""
    if finding is None:
        return Reading(_BLANK, "", None)
    if finding.result is not None and finding.result.reading:
        reading = _said(str(finding.result.reading))
        if reading.word.name != OTHER:
            return reading
        values = json.dumps(finding.result.observed, sort_keys=True, default=str)
        return Reading(reading.word, reading.text, f"{OTHER} {values}")
    if finding.mark in _ENDINGS:
        return _said(_ENDINGS[finding.mark])
    if finding.mark in _UNKNOWN:
        return Reading(_BLANK, LOOKS[finding.mark].short, None)
    return _said(finding.kind or LOOKS[finding.mark].short)


def agree(one: Reading, other: Reading) -> bool:
    """Whether two readings are the same; two without a word are compared by value, if known."""
    if one.word.name == other.word.name == OTHER and OTHER in (one.voice, other.voice):
        return True
    return one.voice == other.voice


def _said(text: str) -> Reading:
    word = word_of(text)
    return Reading(word, text, word.name if word.tone == "died" else text)
