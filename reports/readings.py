"""The readings of undefined calls, each as one word."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from embcheck.conformance.records.lines import CaseLine
from embcheck.reports.marks import LOOKS, Mark
from embcheck.reports.merge import MergedResult

OTHER: Final = "other"


@dataclass(frozen=True)
class LedgerWord:
    """A word of the ledger: its look, and what it means to a user of the library.

    `tone` names its colour; symbol and text distinguish words without it.
    """

    name: str
    symbol: str
    tone: str
    meaning: str

    @property
    def code(self) -> str:
        """The class of its symbol in the style sheet."""
        return f"w-{self.name.replace(' ', '-')}"


@dataclass(frozen=True)
class ShownReading:
    """What a call did: its word, and the text as it was recorded.

    Two readings are the same if their `voice` is equal. It is None if nothing is known.
    """

    word: LedgerWord
    text: str
    voice: str | None


WORDS: Final = (
    LedgerWord("raises", "⊘", "refused", "An error is raised: the caller notices at once."),
    LedgerWord("crash", "†", "died", "The process dies, and all that was in it is lost."),
    LedgerWord("timeout", "◷", "died", "No answer in time."),
    LedgerWord("clamps", "⇥", "row", "The nearest row that exists comes instead, with no sign."),
    LedgerWord(
        "wraps",
        "↻",
        "row",
        "The index counts from the end, or modulo some number: another row, with no sign.",
    ),
    LedgerWord(
        "another row",
        "↪",
        "row",
        "A row of the table that the index does not explain, with no sign.",
    ),
    LedgerWord("zeros", "0", "blank", "Zeros come, with no sign; a sum does not show them."),
    LedgerWord("NaN", "≁", "blank", "NaN comes; it spreads until somebody looks."),
    LedgerWord(
        "foreign values",
        "‼",
        "foreign",
        "Numbers that are not in the table: other memory was read.",
    ),
    LedgerWord("row N", "→", "plain", "Row N is returned; the result does not show why."),
    LedgerWord(OTHER, "?", "other", "No other word describes it; its values are recorded."),
)
SAID: Final = LedgerWord("as said", "•", "plain", "The words in the cell describe the outcome.")
_NAMED: Final = {word.name: word for word in WORDS}
_BLANK: Final = LedgerWord("nothing known", "", "nothing", "Unsupported, or not run.")
_ENDINGS: Final = {Mark.CRASHED: "crash", Mark.TIMED_OUT: "timeout"}
_UNKNOWN: Final = frozenset({Mark.UNSUPPORTED, Mark.NOT_RUN, Mark.ERRORED, Mark.OBSERVED})


def stated(case: CaseLine, findings: Iterable[MergedResult] = ()) -> ShownReading | None:
    """Return the reading that a case states of PyTorch; None if it states none.

    Its word is that of a finding with the same reading.
    """
    if case.pytorch is None:
        return None
    results = [finding.result for finding in findings if finding.result is not None]
    words = (result.reading_word for result in results if result.reading == case.pytorch)
    return _said(str(case.pytorch), next(words, None))


def reading_of(finding: MergedResult | None) -> ShownReading:
    """Return the reading of a finding; without a finding the backend was not asked."""
    if finding is None:
        return ShownReading(_BLANK, "", None)
    if finding.result is not None and finding.result.reading:
        reading = _said(str(finding.result.reading), finding.result.reading_word)
        if reading.word.name != OTHER:
            return reading
        # Two readings without a word are the same only if they saw the same values.
        values = json.dumps(finding.result.observed, sort_keys=True, default=str)
        return ShownReading(reading.word, reading.text, f"{OTHER} {values}")
    if finding.mark in _ENDINGS:
        return _said(_ENDINGS[finding.mark])
    if finding.mark in _UNKNOWN:
        return ShownReading(_BLANK, LOOKS[finding.mark].short, None)
    return _said(finding.kind or LOOKS[finding.mark].short)


def agree(one: ShownReading, other: ShownReading) -> bool:
    """Whether two readings are the same; two without a word are compared by value, if known."""
    # A case may state `other` of PyTorch without values: then any values agree.
    if one.word.name == other.word.name == OTHER and OTHER in (one.voice, other.voice):
        return True
    return one.voice == other.voice


def _said(text: str, name: str | None = None) -> ShownReading:
    """Return a reading by the name of its word; a text without one may be a word itself."""
    word = _NAMED.get(str(name or text), SAID)
    # Each death or hang has another message, but the reading is the same.
    return ShownReading(word, text, word.name if word.tone == "died" else text)
