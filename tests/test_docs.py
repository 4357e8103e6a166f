"""What the documentation shows is what works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from embcheck.conformance.check_files import check_files
from embcheck.conformance.execution.judging.deviations import read_deviations
from embcheck.conformance.records.run import read_runs
from embcheck.conformance.suite.load import load_spec

DOCS = Path(__file__).parent.parent / "docs"


def blocks(name: str, language: str) -> list[str]:
    """Return the fenced blocks of one language in a page."""
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """Install the adapter of the guide as a distribution of its own, and run the suite on it."""
    folder = tmp_path_factory.mktemp("example")
    (code,) = blocks("adapter-guide.md", "python")
    assert len(code.splitlines()) < 60
    (folder / "embcheck_numpy_index").mkdir()
    (folder / "embcheck_numpy_index" / "adapter.py").write_text(code)
    announced = blocks("adapter-guide.md", "toml")[0].splitlines()[1].replace('"', "")
    info = folder / "embcheck_numpy_index-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: embcheck-numpy-index\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(f"[embcheck.backends]\n{announced}\n")
    main = "from embcheck.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", main, "run", "-b", "numpy-index", "--out", str(folder / "out")],
        capture_output=True, text=True, check=False, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    return {result.case: result for result in read_runs(folder / "out")[0].results}


def test_the_example_adapter_answers(example):
    """The adapter of the guide looks rows up, and nothing in it is at fault."""
    assert "errored" not in {result.outcome for result in example.values()}
    bags = [r for case, r in example.items() if "two_dimensional/rows-are-bags" in case]
    assert {result.outcome for result in bags} == {"passed"}


def test_the_example_adapter_is_found_out(example):
    """NumPy's wrapping of negative indices is called what it is: silent, accepted-invalid."""
    wrapped = example["embedding/bounds/negative[index=-1,index_dtype=int64]"]
    assert (wrapped.kind, wrapped.silent) == ("accepted-invalid", True)


def test_the_example_of_deviations_loads(tmp_path):
    """Its patterns match cases, and the page names every field, word and condition."""
    page = DOCS / "deviations.md"
    schema = json.loads(files("embcheck.specs").joinpath("deviations.schema.json").read_text())
    entry = schema["properties"]["deviations"]["items"]["properties"]
    words = [word for name in ("happens", "cause") for word in entry[name]["enum"]]
    words += schema["$defs"]["instructions"]["enum"]
    for word in [*schema["properties"], *entry, *entry["when"]["properties"], *words]:
        assert f"`{word}" in page.read_text("utf-8"), word
    path = tmp_path / "mylib-take.yaml"
    path.write_text(blocks("deviations.md", "yaml")[0])
    assert check_files([path]).problems == []
    assert len(read_deviations(path)) == 2


def test_the_example_spec_loads(tmp_path):
    """The spec that opens the page on the format is valid."""
    path = tmp_path / "lookup.yaml"
    path.write_text(blocks("spec-format.md", "yaml")[0])
    spec = load_spec(path)
    assert [case.id.split("/")[-1] for case in spec.cases] == [
        "picks-rows[dtype=float16]",
        "picks-rows[dtype=float32]",
    ]
