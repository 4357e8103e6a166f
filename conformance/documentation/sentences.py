"""Documentation as sentences, each with the parameter that it is about and a hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from embcheck.conformance.documentation.docstring import SIGNATURE, blocks_of
from embcheck.conformance.documentation.reading import Documented

HASH_LENGTH = 16
# No end after a second full stop, as in an ellipsis; brackets and quotes may close behind it.
_END = re.compile(r"(?<=[^\s.])[.!?][\"')\]]*\s+(?=\S)")
_CODE = re.compile(r"``.+?``|`[^`]+`")
_ABBREVIATION = re.compile(r"\b(?:i\.e|e\.g|w\.r\.t|cf|vs|resp|approx|fig|eq)\.\s+$", re.IGNORECASE)


@dataclass(frozen=True)
class Sentence:
    """One statement of the documentation: a sentence, the head of an entry, an example, a default.

    The hash is that of the text with its white space collapsed, so that wrapping does not matter.
    """

    object: str
    parameter: str
    text: str

    @cached_property
    def hash(self) -> str:
        """The first digits of the text's SHA-256."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:HASH_LENGTH]


def sentences_of(documented: Documented) -> Iterator[Sentence]:
    """Yield what an object's docstring and signature state, in order."""
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

    A sentence ends at a full stop before white space, unless that stands in inline code, ends an
    abbreviation, or a small letter follows.
    """
    text = _collapsed(text)
    code = [match.span() for match in _CODE.finditer(text)]
    starts = [0]
    for match in _END.finditer(text):
        in_code = any(start < match.start() < end for start, end in code)
        # PyTorch's sentences begin with capitals, so that a small letter goes on with one.
        goes_on = text[match.end()].islower() or _ABBREVIATION.search(text[: match.end()])
        if not in_code and not goes_on:
            starts.append(match.end())
    return [text[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)]


def _collapsed(text: str) -> str:
    return " ".join(text.split())
