"""The outputs of commands in the README and the page of questions are up to date."""

from __future__ import annotations

from pathlib import Path

import documented_output as documented
import pytest

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/questions.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_output_on_a_page_is_what_the_command_prints(page):
    """The output on a page is current; `python tests/documented_output.py FILE` renews it."""
    text = (ROOT / page).read_text("utf-8")
    assert documented.BLOCK.search(text)
    assert documented.renewed(text) == text


def test_every_question_has_a_command():
    """Each question on the page is answered by a command."""
    text = (ROOT / "docs/questions.md").read_text("utf-8")
    sections = text.split("\n## ")[1:]
    assert len(sections) >= 12
    assert [name for name in sections if "embcheck " not in name] == []
