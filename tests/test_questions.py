"""Pages that show the output of commands show what these print."""

from __future__ import annotations

from pathlib import Path

import documented_output as documented
import pytest

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/questions.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_output_on_a_page_is_what_the_command_prints(page):
    """`python tests/documented_output.py FILE` writes it anew."""
    text = (ROOT / page).read_text("utf-8")
    assert documented.BLOCK.search(text)
    assert documented.renewed(text) == text


def test_every_question_has_a_command():
    """A section without one would leave the answer to the reader."""
    text = (ROOT / "docs/questions.md").read_text("utf-8")
    sections = text.split("\n## ")[1:]
    assert len(sections) >= 12
    assert [name for name in sections if "embcheck " not in name] == []
