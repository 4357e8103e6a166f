"""Split documentation into sentences, each with its parameter and a hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from embcheck.conformance.documentation.docstring import SIGNATURE, blocks_of
from embcheck.conformance.documentation.reading import Documented

HASH_LENGTH = 16
# Not after a second full stop, as in an ellipsis; closing brackets and quotes may follow.
_END = re.compile(r"(?<=[^\s.])[.!?][\"')\]]*\s+(?=\S)")
_CODE = re.compile(r"``.+?``|`[^`]+`")
_ABBREVIATION = re.compile(r"\b(?:i\.e|e\.g|w\.r\.t|cf|vs|resp|approx|fig|eq)\.\s+$", re.IGNORECASE)


@dataclass(frozen=True)
class Sentence:
    """One statement of the documentation: a sentence, an entry's head, an example or a default.

    White space in the text is collapsed, so that line breaks do not change its hash.
    """

    object: str
    parameter: str
    text: str

    @cached_property
    def hash(self) -> str:
        """The first 16 hexadecimal digits of the text's SHA-256."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:HASH_LENGTH]


def sentences_of(documented: Documented) -> Iterator[Sentence]:
    """Yield the statements of an object's docstring, then those of its signature, in order."""
    name = documented.object
    for block in blocks_of(documented.docstring):
        texts = [_collapsed(block.text)] if block.verbatim else split(block.text)
        yield from (Sentence(name, block.parameter, text) for text in texts)
    if documented.signature:
        order = ", ".join(parameter.name for parameter in documented.signature)
        yield Sentence(name, SIGNATURE, f"parameters, in order: {order}")
    for parameter in documented.signature:
        if parameter.default is not None:
            text = f"{parameter.name} defaults to {parameter.default}"
            yield Sentence(name, parameter.name, text)


def split(text: str) -> list[str]:
    """Split a paragraph into sentences.

    A sentence ends at a full stop, exclamation mark or question mark before white space. It does
    not end in inline code, after an abbreviation, or before a small letter.
    """
    text = _collapsed(text)
    code = [match.span() for match in _CODE.finditer(text)]
    starts = [0]
    for match in _END.finditer(text):
        in_code = any(start < match.start() < end for start, end in code)
        # PyTorch's sentences begin with capitals, so a small letter continues a sentence.
        goes_on = text[match.end()].islower() or _ABBREVIATION.search(text[: match.end()])
        if not in_code and not goes_on:
            starts.append(match.end())
    return [text[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)]


def _collapsed(text: str) -> str:
    return " ".join(text.split())
