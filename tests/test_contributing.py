"""CONTRIBUTING.md lists, for each kind of change, the files that it touches."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SECTION = re.compile(r"^### [^\n]*`([\w-]+)`\n(.*?)(?=^### |\Z)", re.MULTILINE | re.DOTALL)
ITEM = re.compile(r"^- ([^:]*):", re.MULTILINE)
PATH = re.compile(r"`([^`]*)`")

EXAMPLES = {
    name: {path for item in ITEM.findall(text) for path in PATH.findall(item)}
    for name, text in SECTION.findall((ROOT / "CONTRIBUTING.md").read_text("utf-8"))
}
"""The name of each example, and the paths in its list; a folder's path ends with a slash."""

SEARCHED = {
    **dict.fromkeys(EXAMPLES, ("backends", "cli", "conformance", "reports")),
    "EMB-FREQ-01": ("specs", "tests/mutants", "conformance", "reports"),
}
COMPAT, BACKENDS = "reports/compat.json", ("mlx",)
TEXT = {".py", ".json", ".yaml", ".toml", ".html", ".css", ".js", ".jinja", ".md"}


def names(path: Path, name: str) -> bool:
    """Whether a file, or one below a folder, contains a name as a whole word, in any case."""
    if path.is_dir():
        return any(names(file, name) for file in path.rglob("*") if file.suffix in TEXT)
    word = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])", re.IGNORECASE)
    return word.search(path.read_text("utf-8")) is not None


def test_each_list_is_found():
    """The page has seven kinds of change, each with an example and a list of files."""
    assert len(EXAMPLES) == 7
    assert all(EXAMPLES.values())


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_what_is_listed_names_the_example(name):
    """Each listed path exists and names the example."""
    for path in sorted(EXAMPLES[name]):
        assert (ROOT / path).exists(), path
        assert names(ROOT / path, name), path


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_what_names_the_example_is_listed(name):
    """Each file that names the example is listed, except deviations and data of runs."""
    files = [path for folder in SEARCHED[name] for path in (ROOT / folder).rglob("*.*")]
    files += [*(ROOT / "specs").glob("*.json"), ROOT / "pyproject.toml", ROOT / "noxfile.py"]
    for file in files:
        path = file.relative_to(ROOT).as_posix()
        is_data = file.parent.name == "deviations" or (path == COMPAT and name not in BACKENDS)
        if file.suffix in TEXT and not is_data and names(file, name):
            assert any(path == one or path.startswith(f"{one}/") for one in listed(name)), path


def listed(name: str) -> set[str]:
    """Return the paths of an example's list, without the slash at the end of a folder."""
    return {path.rstrip("/") for path in EXAMPLES[name]}
