"""The readings of undefined calls, each as one word."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from embcheck.conformance.records.lines import CaseLine
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

    @property
    def code(self) -> str:
        """Its class where the style sheet has the symbol."""
        return f"w-{self.name.replace(' ', '-')}"


@dataclass(frozen=True)
class Reading:
    """What a call did: its word, and the text as it was recorded.

    Two readings are the same if their `voice` is equal; None if that is not known.
    """

    word: Word
    text: str
    voice: str | None


WORDS: Final = (
    Word("raises", "⊘", "refused", "An error is raised: the caller notices at once."),
    Word("crash", "†", "died", "The process dies, and all that was in it is lost."),
    Word("timeout", "◷", "died", "No answer in time."),
    Word("clamps", "⇥", "row", "The nearest row that exists comes instead, with no sign."),
    Word(
        "wraps",
        "↻",
        "row",
        "The index counts from the end, or modulo some number: another row, with no sign.",
    ),
    Word(
        "another row",
        "↪",
        "row",
        "A row of the table that the index does not explain, with no sign.",
    ),
    Word("zeros", "0", "blank", "Zeros come, with no sign; a sum does not show them."),
    Word("NaN", "≁", "blank", "NaN comes; it spreads until somebody looks."),
    Word(
        "foreign values",
        "‼",
        "foreign",
        "Numbers that are not in the table: other memory was read.",
    ),
    Word("row N", "→", "plain", "Row N comes; nothing else can be told."),
    Word(OTHER, "?", "other", "Something that has no word; its values are recorded."),
)
SAID: Final = Word("as said", "•", "plain", "As the words say.")
_NAMED: Final = {word.name: word for word in WORDS}
_BLANK: Final = Word("nothing known", "", "nothing", "Unsupported, or not run.")
_ENDINGS: Final = {Mark.CRASHED: "crash", Mark.TIMED_OUT: "timeout"}
_UNKNOWN: Final = frozenset({Mark.UNSUPPORTED, Mark.NOT_RUN, Mark.ERRORED, Mark.OBSERVED})


def stated(case: CaseLine, findings: Iterable[Finding] = ()) -> Reading | None:
    """Return the reading that a case states of PyTorch, None if it states none.

    Its word is that of a finding that reads so.
    """
    if case.pytorch is None:
        return None
    results = [finding.result for finding in findings if finding.result is not None]
    words = (result.reading_word for result in results if result.reading == case.pytorch)
    return _said(str(case.pytorch), next(words, None))


def reading_of(finding: Finding | None) -> Reading:
    """Return the reading of a finding; without a finding the backend was not asked."""
    if finding is None:
        return Reading(_BLANK, "", None)
    if finding.result is not None and finding.result.reading:
        reading = _said(str(finding.result.reading), finding.result.reading_word)
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


def _said(text: str, name: str | None = None) -> Reading:
    """Return a reading by the name of its word; a text without one may be a word itself."""
    word = _NAMED.get(str(name or text), SAID)
    return Reading(word, text, word.name if word.tone == "died" else text)
