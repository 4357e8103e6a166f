"""The examples on the pages about departures print what the pages show."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

DISTRIBUTIONS = packages_distributions()

PAGES = Path(__file__).parent.parent / "docs" / "departures"
HEAD = (PAGES / "README.md").read_text()
TEXTS = {page.stem: page.read_text() for page in sorted(PAGES.glob("*.md"))}

SEEN_ON = dict(re.findall(r"^\| (\w+) \| (\d\S*) \|$", HEAD, re.MULTILINE))

EXAMPLE = re.compile(
    r"^### ([^\n]+)\n(?:(?!^#).)*?^```python\n(.*?)^```\n\n^```text\n(.*?)^```",
    re.MULTILINE | re.DOTALL,
)

EXAMPLES = [(page, *found) for page, text in TEXTS.items() for found in EXAMPLE.findall(text)]


def imported(code: str) -> list[str]:
    """Return the modules that an example imports."""
    return re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE)


def needed(code: str) -> list[str]:
    """Return the modules of the table of versions that an example needs."""
    found = [name for name in SEEN_ON if name in imported(code) or f'= "{name}"' in code]
    return found + (["onnxscript", "onnxruntime"] if "torch.onnx" in code else [])


def test_every_example_is_found():
    """Each finding has one example, and the table lists exactly the modules that examples need."""
    text = "".join(TEXTS.values())
    assert [title for _, title, _, _ in EXAMPLES] == re.findall(r"^### (.*)$", text, re.MULTILINE)
    assert len(EXAMPLES) == text.count("```python")
    assert {name for *_, code, _ in EXAMPLES for name in needed(code)} == set(SEEN_ON)
    known = {*SEEN_ON, *sys.stdlib_module_names, "numpy"}
    assert all(known.issuperset(imported(code)) for *_, code, _ in EXAMPLES)


@pytest.mark.parametrize(
    ("code", "printed"),
    [pytest.param(*rest, id=f"{page}: {title}") for page, title, *rest in EXAMPLES],
)
def test_an_example_prints_what_the_page_shows(code, printed):
    """An example, run in a process of its own, prints the text below it on the page."""
    if "torch.compile" in code and not shutil.which("g++"):
        pytest.skip("the example compiles with g++, which is not installed")
    if '"KERAS_BACKEND"] = "numpy"' in code and "jax" not in DISTRIBUTIONS:
        pytest.skip("Keras's NumPy backend imports jax, which is not installed")
    for name in needed(code):
        if name not in DISTRIBUTIONS:
            pytest.skip(f"{name} is not installed")
        here = version(DISTRIBUTIONS[name][0]).partition("+")[0]
        if here != SEEN_ON[name]:
            pytest.skip(f"seen on {name} {SEEN_ON[name]}; here is {here}")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed
