"""The parts of the report on a migration, without their layout."""

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
        """The text; `Instead: ` stands before code that replaces other code."""
        return f"Instead: {self.text}" if self.kind == "instead" else self.text


@dataclass(frozen=True)
class Item:
    """Lines that stand together, and the parts that explain them."""

    heads: tuple[str, ...]
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class FigureTable:
    """A table: names of columns, and rows; `numbers` are the positions of columns of figures."""

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
    """The whole report: a title, what it is about, the answer in short, and why."""

    title: str
    lead: tuple[str, ...]
    verdicts: tuple[VerdictSentence, ...]
    sections: tuple[Section, ...]
