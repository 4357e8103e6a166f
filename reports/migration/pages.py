"""The report on a migration as Markdown, and as an HTML page."""

from __future__ import annotations

import re
from collections.abc import Iterator

from embcheck.reports.migration.parts import FigureTable, Item, Part, Told
from embcheck.reports.page.html import page_of
from embcheck.reports.untrusted import clean, web_link

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")
_CODE = ("call", "answer", "instead", "command")


def to_markdown(told: Told) -> str:
    """Return the report as Markdown; no text of a backend can become markup."""
    return "\n".join(_lines(told)) + "\n"


def to_html(told: Told) -> str:
    """Return the report as an HTML page without scripts, in the design of `embcheck report`."""
    return page_of("migration.html", told=told, link=web_link)


def _lines(told: Told) -> Iterator[str]:
    yield f"# {_escaped(told.title)}"
    for line in told.lead:
        yield from ("", _escaped(line))
    if told.verdicts:
        yield ""
    for verdict in told.verdicts:
        yield f"- {_escaped(verdict.sentence)}"
    for section in told.sections:
        yield from ("", f"## {_escaped(section.head)}")
        for grid in section.grids:
            yield ""
            yield from _grid(grid)
        if section.notes:
            yield ""
        for note in section.notes:
            yield f"- {_escaped(note)}"
        for item in section.items:
            yield ""
            yield from _item(item)


def _grid(grid: FigureTable) -> Iterator[str]:
    yield f"| {' | '.join(map(_escaped, grid.columns))} |"
    rules = ("--:" if place in grid.numbers else "---" for place in range(len(grid.columns)))
    yield f"| {' | '.join(rules)} |"
    for row in grid.rows:
        yield f"| {' | '.join(map(_escaped, row))} |"


def _item(item: Item) -> Iterator[str]:
    # In Markdown, two spaces at the end of a line keep the break after it.
    yield "- " + "  \n  ".join(map(_escaped, item.heads))
    for part in item.parts:
        yield from ("", *_part(part))


def _part(part: Part) -> Iterator[str]:
    if part.kind in _CODE:
        # Six spaces make a code block inside a list item, in which nothing needs escaping.
        yield f"      {clean(part.said)}"
    elif part.kind == "link" and web_link(part.text):
        yield f"  <{part.text}>"
    else:
        yield f"  {_escaped(part.text)}"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", clean(text))
