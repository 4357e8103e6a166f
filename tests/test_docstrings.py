"""Docstrings are split into sentences, each under its parameter, however they are wrapped."""

from __future__ import annotations

import textwrap

import pytest

from embcheck.conformance.documentation.reading import Documented, Parameter
from embcheck.conformance.documentation.sentences import sentences_of, split

DOCSTRING = r"""
    shelve(book, height=-1) -> Shelf

    Put books on a shelf, i.e. stand them up.
    See `The Shelf`_ .

    With a high shelf this

        * takes tall books,
        * takes short books.

    .. _The Shelf:
        https://shelf.example

    .. note::
        Keep ``shelf.height`` above the book's. For example::

            shelf = Shelf(height=2. )
            shelf.add(book)

        That was the example.

    Args:
        book (Book): what to shelve
        height (float, optional): If given, the height w.r.t. the
                                  floor + 1, e.g. :math:`2.5` m.
                                  Default: ``-1``

        order (str (or None)): ``"up"`` or ``"down"``. Note: not with
            :attr:`height`.

    Attributes:
        weight (Tensor): in kg

    Shape:
        - Input: :math:`(*)`. Any. of them
        - Output: `(*, H)`,
          where H is the height

          - If it is 2D. It is flat.

    Returns:
        a shelf

    Examples::

        >>> # one book
        >>> shelve(Book())
        Shelf([

               1])

        >>> # another
        >>> shelve(Book(), 2)
"""
EXPECTED = [
    ("Signature", "shelve(book, height=-1) -> Shelf"),
    ("Summary", "Put books on a shelf, i.e. stand them up."),
    ("Summary", "See `The Shelf`_ ."),
    ("Summary", "With a high shelf this"),
    ("Summary", "takes tall books,"),
    ("Summary", "takes short books."),
    ("Summary", ".. _The Shelf: https://shelf.example"),
    ("Note", "Keep ``shelf.height`` above the book's."),
    ("Note", "For example::"),
    ("Note", "shelf = Shelf(height=2. ) shelf.add(book)"),
    ("Note", "That was the example."),
    ("book", "book (Book)"),
    ("book", "what to shelve"),
    ("height", "height (float, optional)"),
    ("height", "If given, the height w.r.t. the floor + 1, e.g. :math:`2.5` m."),
    ("height", "Default: ``-1``"),
    ("order", "order (str (or None))"),
    ("order", '``"up"`` or ``"down"``.'),
    ("order", "Note: not with :attr:`height`."),
    ("weight", "weight (Tensor)"),
    ("weight", "in kg"),
    ("Shape", "Input: :math:`(*)`."),
    ("Shape", "Any. of them"),
    ("Shape", "Output: `(*, H)`, where H is the height"),
    ("Shape", "If it is 2D."),
    ("Shape", "It is flat."),
    ("Returns", "a shelf"),
    ("Examples", ">>> # one book >>> shelve(Book()) Shelf([ 1])"),
    ("Examples", ">>> # another >>> shelve(Book(), 2)"),
]


def taken_apart(docstring, signature=()):
    """Return the parameter and text of each sentence of a docstring."""
    found = sentences_of(Documented("torch.shelve", docstring, signature))
    return [(sentence.parameter, sentence.text) for sentence in found]


def test_every_part_of_a_docstring_becomes_sentences():
    """Every part of a docstring becomes sentences, in order and under its parameter or section."""
    assert taken_apart(DOCSTRING) == EXPECTED


def test_no_word_is_lost():
    """Apart from headings and list marks, the sentences contain the whole docstring in order."""
    headings = {".. note::", "Args:", "Attributes:", "Shape:", "Returns:", "Examples::"}
    kept = [line for line in DOCSTRING.splitlines() if line.strip() not in headings]
    words = [word for line in kept for word in line.split() if word not in {"-", "*"}]
    text = " ".join(sentence for _, sentence in taken_apart(DOCSTRING))
    assert text.replace(" ", "") == "".join(words).replace("):", ")")


def wrapped(text, width):
    """Wrap text; all lines but the first are indented."""
    return textwrap.fill(text, width, subsequent_indent="  ")


@pytest.mark.parametrize("width", [30, 45, 70, 200])
def test_wrapping_changes_no_hash(width):
    """Hashes do not depend on the width of lines, even where a line begins with +."""
    prose = "The size of offsets is the number of bags + 1 - or less. Then the rest, i.e. nothing."
    docstring = "\n".join(
        [
            textwrap.fill(prose, width),
            "",
            "Args:",
            textwrap.indent(wrapped(f"size (int): {prose}", width), "  "),
            "",
            "Shape:",
            textwrap.indent(wrapped(f"- {prose}", width), "  "),
        ]
    )  # fmt: skip
    whole = "\n".join([prose, "", "Args:", f"  size (int): {prose}", "", "Shape:", f"  - {prose}"])
    found, expected = (
        [sentence.hash for sentence in sentences_of(Documented("torch.x", text))]
        for text in (docstring, whole)
    )
    assert found == expected
    assert len(found) == 7


def test_a_word_changes_the_hash():
    """Another word gives another hash, which has 16 hexadecimal digits."""
    first, second = (
        next(iter(sentences_of(Documented("torch.x", text)))).hash for text in ("One.", "Two.")
    )
    assert first != second
    assert len(first) == 16
    int(first, 16)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("It has (some.) Then more.", ["It has (some.)", "Then more."]),
        ('A fixed "pad". For others.', ['A fixed "pad".', "For others."]),
        ("Take ``a. B`` and `c. D`. End.", ["Take ``a. B`` and `c. D`.", "End."]),
        ("Cf. Table 2.5. Of torch.nn. it is", ["Cf. Table 2.5.", "Of torch.nn. it is"]),
        ("Bags (i.e., of 0) vs. Rows, etc. in all.", ["Bags (i.e., of 0) vs. Rows, etc. in all."]),
        ("Rest ... Of it.", ["Rest ... Of it."]),
        ("Only ``2``. :attr:`x` is used.", ["Only ``2``.", ":attr:`x` is used."]),
    ],
)
def test_where_a_sentence_ends(text, sentences):
    """No sentence ends in code, in a number, after an abbreviation, or before a small letter."""
    assert split(text) == sentences


def test_the_signature_gives_order_and_defaults():
    """The signature gives a sentence for the order of names, and one for each default."""
    signature = (Parameter("book", None), Parameter("height", "-1"))
    assert taken_apart("Shelve.", signature) == [
        ("Summary", "Shelve."),
        ("Signature", "parameters, in order: book, height"),
        ("height", "height defaults to -1"),
    ]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "Args:", "Examples::", "Args:\n    no entry here\n", "- a\n- b", "x::\n\n"]
)
def test_odd_docstrings_are_taken_as_they_are(text):
    """Empty sections and stray lines raise no error and give no empty sentence."""
    assert all(sentence for _, sentence in taken_apart(text))
