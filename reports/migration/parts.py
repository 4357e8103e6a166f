"""The pieces of what is said of a migration, without a word on how they look."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A text below an item's heads.

    Its kind is `text`, `link`, `call`, `answer`, `instead` (code to write) or `command`.
    """

    kind: str
    text: str

    @property
    def said(self) -> str:
        """The text, with a word before code that stands in place of other code."""
        return f"Instead: {self.text}" if self.kind == "instead" else self.text


@dataclass(frozen=True)
class Item:
    """Lines that stand together, and what explains them."""

    heads: tuple[str, ...]
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class FigureTable:
    """A table: names of columns, rows of as many cells; `numbers` are the places of figures."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Section:
    """A heading with items, tables, and notes below them."""

    head: str
    items: tuple[Item, ...] = ()
    grids: tuple[FigureTable, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class VerdictSentence:
    """A sentence that answers the question, and its tone: `good`, `bad` or `unknown`."""

    tone: str
    sentence: str


@dataclass(frozen=True)
class Told:
    """All that is said: a title, what it is about, the answer in short, and why."""

    title: str
    lead: tuple[str, ...]
    verdicts: tuple[VerdictSentence, ...]
    sections: tuple[Section, ...]
