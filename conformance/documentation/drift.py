"""Compare the sentences of a torch with the mapped ones: the same, new, changed or gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from embcheck.conformance.documentation.mapping import MappedSentence
from embcheck.conformance.documentation.sentences import Sentence

Place = tuple[str, str]
"""An object and one of its parameters or sections."""


@dataclass(frozen=True)
class SentencePair:
    """A mapped sentence, and the one that torch has now in its place.

    The sentence is new if `mapped` is None, gone if `found` is None, and changed if their hashes
    differ.
    """

    place: Place
    mapped: MappedSentence | None
    found: Sentence | None


def compare(mapped: Iterable[MappedSentence], found: Iterable[Sentence]) -> Iterator[SentencePair]:
    """Pair the mapped sentences of each object and parameter with the present ones.

    Of a mapped sentence, only the hash of its text is known. A sentence that is gone and one that
    is new count as a change if they have the same neighbours. A sentence that moved within its
    parameter counts as the same.
    """
    before: dict[Place, list[MappedSentence]] = defaultdict(list)
    after: dict[Place, list[Sentence]] = defaultdict(list)
    for sentence in found:
        after[sentence.object, sentence.parameter].append(sentence)
    for entry in mapped:
        before[entry.object, entry.parameter].append(entry)
    # The present sentences first, so that places are in the order of torch's text.
    for place in dict.fromkeys((*after, *before)):
        for known, now in _pairs(before[place], after[place]):
            yield SentencePair(place, known, now)


def _pairs(
    before: Sequence[MappedSentence], after: Sequence[Sentence]
) -> Iterator[tuple[MappedSentence | None, Sentence | None]]:
    known = {sentence.hash: sentence for sentence in before}
    # A sentence on both sides has only moved, even if the matcher reports it as gone and new.
    kept = known.keys() & {sentence.hash for sentence in after}
    matcher = SequenceMatcher(
        a=[sentence.hash for sentence in before],
        b=[sentence.hash for sentence in after],
        autojunk=False,
    )
    for _, start, end, new_start, new_end in matcher.get_opcodes():
        now = after[new_start:new_end]
        yield from ((known[here.hash], here) for here in now if here.hash in kept)
        gone = [sentence for sentence in before[start:end] if sentence.hash not in kept]
        new = [sentence for sentence in now if sentence.hash not in kept]
        yield from zip_longest(gone, new)
