"""What the page on departures shows is what the libraries do."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "departures.md").read_text()

SEEN_ON = dict(re.findall(r"^\| (\w+) \| (\d\S*) \|$", PAGE, re.MULTILINE))

EXAMPLES = re.findall(
    r"^### ([^\n]+)\n(?:(?!^#).)*?^```python\n(.*?)^```\n\n^```text\n(.*?)^```",
    PAGE,
    re.MULTILINE | re.DOTALL,
)


def needed(code: str) -> list[str]:
    """Name the libraries that an example needs."""
    found = [name for name in ("torch", "jax") if f"\nimport {name}" in f"\n{code}"]
    return found + (["onnxscript", "onnxruntime"] if "torch.onnx" in code else [])


def test_every_example_is_found():
    """Each finding has one example, and the head of the page names what it needs."""
    assert [title for title, _, _ in EXAMPLES] == re.findall(r"^### (.*)$", PAGE, re.MULTILINE)
    assert len(EXAMPLES) == PAGE.count("```python")
    assert {name for _, code, _ in EXAMPLES for name in needed(code)} == set(SEEN_ON)


@pytest.mark.parametrize(
    ("code", "printed"), [pytest.param(*rest, id=title) for title, *rest in EXAMPLES]
)
def test_an_example_prints_what_the_page_shows(code, printed):
    """An example, alone in a process, prints the text that stands below it."""
    for name in needed(code):
        try:
            here = version(name).partition("+")[0]
        except PackageNotFoundError:
            pytest.skip(f"{name} is not installed")
        if here != SEEN_ON[name]:
            pytest.skip(f"seen on {name} {SEEN_ON[name]}; here is {here}")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed
