"""Split a docstring into its parts: sections, parameters, list items, examples."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SUMMARY, SIGNATURE, NOTE, EXAMPLES = "Summary", "Signature", "Note", "Examples"
_SECTIONS = {
    "Args": "Args",
    "Arguments": "Args",
    "Parameters": "Args",
    "Attributes": "Args",
    "Shape": "Shape",
    "Returns": "Returns",
    "Raises": "Raises",
    "Note": NOTE,
    "Warning": "Warning",
    "Example": EXAMPLES,
    "Examples": EXAMPLES,
}
_HEADING = re.compile(rf"({'|'.join(_SECTIONS)})(:{{1,2}})$")
_DIRECTIVE = re.compile(r"\.\. (note|warning)::\s*(.*)$")
# `name (type): text`, as in Google's style; some of PyTorch's entries lack the type.
_ENTRY = re.compile(r"(?P<name>\*{0,2}\w+)(?: \((?P<type>.+?)\))?:(?: +(?P<text>.*))?$")
_ITEM = re.compile(r"^[-*+] +(?=\S)")
_SIGNATURE_LINE = re.compile(r"\w+\(.*\) -> \S+$")


@dataclass(frozen=True)
class TextBlock:
    """A paragraph, a list item, an example or the head of an entry, of a parameter or section."""

    parameter: str
    """The name of the parameter, or of the section if the text belongs to none."""
    text: str
    verbatim: bool = False
    """Whether the text must not be split into sentences: an example, the head of an entry."""


def blocks_of(docstring: str) -> Iterator[TextBlock]:
    """Split a docstring into blocks; only headings and list marks are dropped."""
    for heading, lines in _sections(inspect.cleandoc(docstring).splitlines()):
        if heading == "Args":
            yield from _entries(lines)
        elif heading == EXAMPLES:
            yield from (TextBlock(EXAMPLES, example, verbatim=True) for example in _examples(lines))
        else:
            yield from _prose(heading, lines)


def _sections(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each section's name and dedented body; text outside of sections is the summary."""
    heading = SUMMARY
    body: list[str] = []
    for line in lines:
        found = None if line.startswith(" ") else _heading(line)
        # A line that is not indented ends a section, and belongs to the summary again.
        if found or (line and not line.startswith(" ") and heading != SUMMARY):
            yield heading, _dedent(body)
            heading, body = found or (SUMMARY, [line])
        else:
            body.append(line)
    yield heading, _dedent(body)


def _heading(line: str) -> tuple[str, list[str]] | None:
    if match := _HEADING.match(line):
        return _SECTIONS[match[1]], []
    if match := _DIRECTIVE.match(line):
        return match[1].capitalize(), [match[2]]
    return None


def _entries(lines: Sequence[str]) -> Iterator[TextBlock]:
    """Yield the head of each entry, `name (type)`, then the blocks of its description."""
    name = "Args"
    body: list[str] = []
    for line in lines:
        match = None if line.startswith(" ") else _ENTRY.match(line)
        if match is None:
            body.append(line)
            continue
        yield from _prose(name, body)
        name, body = match["name"], [match["text"] or ""]
        if match["type"]:
            yield TextBlock(name, f"{name} ({match['type']})", verbatim=True)
    yield from _prose(name, body)


def _examples(lines: Sequence[str]) -> Iterator[str]:
    """Yield each example; a prompt after an empty line begins a new one."""
    example: list[str] = []
    for before, line in zip(["", *lines], lines, strict=False):
        # A prompt directly below another line continues the same example.
        if line.startswith(">>>") and not before.strip() and any(example):
            yield "\n".join(example)
            example = []
        example.append(line)
    if any(example):
        yield "\n".join(example)


def _prose(parameter: str, lines: Sequence[str]) -> Iterator[TextBlock]:
    """Yield paragraphs and list items; indented text below a `::` is one block."""
    literal: list[str] = []
    above: int | None = None
    for chunk in _chunks(lines):
        indent = _indent(chunk[0])
        # As in reStructuredText, indented text below a `::` is literal.
        if above is not None and indent > above:
            literal += chunk
            continue
        yield from _literal(parameter, literal)
        text = _ITEM.sub("", " ".join(line.strip() for line in chunk))
        is_signature = parameter == SUMMARY and _SIGNATURE_LINE.match(text)
        yield TextBlock(SIGNATURE if is_signature else parameter, text)
        # Only the paragraph directly before can open a literal block.
        literal, above = [], indent if text.endswith("::") else None
    yield from _literal(parameter, literal)


def _literal(parameter: str, lines: Sequence[str]) -> Iterator[TextBlock]:
    if lines:
        yield TextBlock(parameter, "\n".join(lines), verbatim=True)


def _chunks(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield the lines of each paragraph and list item.

    As in reStructuredText, a list begins after an empty line. So a line that begins with `+ 1`,
    because "index + 1" was wrapped, is not a list.
    """
    chunk: list[str] = []
    for line in lines:
        if chunk and (not line.strip() or _is_next_item(line, chunk)):
            yield chunk
            chunk = []
        if line.strip():
            chunk.append(line)
    if chunk:
        yield chunk


def _is_next_item(line: str, chunk: Sequence[str]) -> bool:
    items = _ITEM.match(line.lstrip()) and _ITEM.match(chunk[0].lstrip())
    return bool(items) and _indent(line) == _indent(chunk[0])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _dedent(lines: Sequence[str]) -> list[str]:
    return textwrap.dedent("\n".join(lines)).splitlines()
