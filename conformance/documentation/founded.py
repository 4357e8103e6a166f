"""Check that documented clauses name sentences of the documentation that fit them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from embcheck.conformance.documentation.mapping import MappedSentence
from embcheck.conformance.documentation.sentences import Sentence
from embcheck.conformance.suite.model import Clause, Level


def unfounded(
    clauses: Iterable[Clause], mapped: Sequence[MappedSentence], found: Sequence[Sentence]
) -> Iterator[str]:
    """Yield the problems with the sentences of each clause, with file and line.

    Whether a sentence says what the clause states is for people to judge. Checked are: each
    sentence exists, is in the docstring of the clause's function or module, and is mapped to the
    clause with the same paraphrase; and at least one sentence is about the clause's parameter.
    """
    there: dict[str, list[Sentence]] = {}
    for sentence in found:
        there.setdefault(sentence.hash, []).append(sentence)
    known: dict[str, list[MappedSentence]] = {}
    for entry in mapped:
        known.setdefault(entry.hash, []).append(entry)
    for clause in clauses:
        for what in _complaints(clause, known, there):
            yield f"{clause.where}: {clause.id} {what}"


def _complaints(
    clause: Clause,
    known: Mapping[str, Sequence[MappedSentence]],
    there: Mapping[str, Sequence[Sentence]],
) -> Iterator[str]:
    if clause.level is Level.DOCUMENTED and not clause.sentences:
        yield "is documented, and names no sentence; name one, or state another level"
        return
    own: list[Sentence] = []
    for hash_, paraphrase in clause.sentences:
        # A function's docstring refers to its module's, so the sentence may be in either.
        texts = [
            one for one in there.get(hash_, ()) if _family(one.object) == _family(clause.object)
        ]
        entries = [one for one in known.get(hash_, ()) if clause.id in one.clauses]
        # Only one problem for each sentence, the most basic one first.
        if hash_ not in there:
            yield f"names {hash_}, which no docstring has; name a sentence of its own"
        elif not texts:
            yield f"names {hash_}, which stands in none of the texts on {clause.object}"
        elif not entries:
            yield f"names {hash_}, whose entry in specs/documentation does not name the clause"
        elif paraphrase not in {one.paraphrase for one in entries}:
            said = entries[0].paraphrase
            yield f"has words of its own for {hash_}; specs/documentation says: {said}"
        own += texts
    if own and not any(_speaks_of(sentence, clause) for sentence in own):
        yield f"is about {clause.parameter}, which none of its sentences mentions"


def _family(name: str) -> str:
    """Return a name shared by a function and its module, whose docstrings belong together."""
    first = name.removeprefix("torch.nn.").removeprefix("functional.").split(".")[0]
    # `EmbeddingBag` and `embedding_bag` are one family.
    return first.replace("_", "").lower()


def _speaks_of(sentence: Sentence, clause: Clause) -> bool:
    """Whether a sentence is listed under one of the clause's parameters, or mentions one."""
    names = clause.parameter.split(", ")
    return any(
        sentence.parameter == name
        or re.search(rf"\b{re.escape(name)}\b", sentence.text, re.IGNORECASE)
        for name in names
    )
