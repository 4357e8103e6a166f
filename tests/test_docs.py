"""The examples in the documentation work."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from embcheck.conformance.check_files import check_files
from embcheck.conformance.execution.judging.deviations import read_deviations
from embcheck.conformance.records.run import read_runs
from embcheck.conformance.suite.load import load_spec

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [*DOCS.parent.glob("*.md"), *DOCS.rglob("*.md")]


def blocks(name: str, language: str) -> list[str]:
    """Return the fenced blocks of one language in a page."""
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)


def install(folder: Path, package: str, announced: str, code: str) -> None:
    """Install an adapter's code into a folder, as a distribution of its own."""
    (folder / package).mkdir()
    (folder / package / "adapter.py").write_text(code)
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    name = package.replace("_", "-")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[embcheck.backends]\n{announced}\n")


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call embcheck with the distributions in a folder installed, and a cache of its own."""
    main = "from embcheck.cli.main import main; main()"
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {"PYTHONPATH": os.pathsep.join(paths), "EMBCHECK_CACHE": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-c", main, *words],
        capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, **own},
    )  # fmt: skip


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """Install the guide's adapter, and return its results on the suite by case."""
    folder = tmp_path_factory.mktemp("example")
    (code,) = blocks("adapter-guide.md", "python")
    assert len(code.splitlines()) < 60
    announced = blocks("adapter-guide.md", "toml")[0].splitlines()[1].replace('"', "")
    install(folder, "embcheck_numpy_index", announced, code)
    done = call(folder, "run", "-b", "numpy-index", "--out", str(folder / "out"))
    assert done.returncode == 1, done.stdout + done.stderr
    return {result.case: result for result in read_runs(folder / "out")[0].results}


def test_the_example_adapter_answers(example):
    """The adapter of the guide answers, and no result is `errored`."""
    assert "errored" not in {result.outcome for result in example.values()}
    bags = [r for case, r in example.items() if "two_dimensional/rows-are-bags" in case]
    assert {result.outcome for result in bags} == {"passed"}


def test_the_example_adapter_is_found_out(example):
    """NumPy's wrapping of negative indices is found as silent, accepted-invalid."""
    wrapped = example["embedding/bounds/negative[index=-1,index_dtype=int64]"]
    assert (wrapped.kind, wrapped.silent) == ("accepted-invalid", True)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Install the guide's adapter of a compiled runtime, run a few cases, and return the folder."""
    pytest.importorskip("onnxruntime", reason="the second adapter of the guide asks ONNX Runtime")
    folder = tmp_path_factory.mktemp("compiled")
    (code,) = blocks("adapter-guide.md", "py")
    assert len(re.findall(r"^.*\S", code, re.MULTILINE)) <= 60
    announced = "ort-gather = embcheck_ort_gather.adapter:OrtGather"
    install(folder, "embcheck_ort_gather", announced, code)
    globs = ("embedding/lookup/*", "embedding/bounds/*single*", "embedding_bag/two_dimensional/*")
    cases = [word for glob in globs for word in ("--case", glob)]
    done = call(folder, "run", "-b", "ort-gather", *cases, "--out", str(folder / "out"))
    assert done.returncode == 1, done.stdout + done.stderr
    return folder


def test_the_compiled_example_is_sound(compiled):
    """The compiled example passes the smoke test without warnings."""
    done = call(compiled, "check-backend", "ort-gather")
    assert done.returncode == 0, done.stdout + done.stderr
    findings = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert {line.split()[0] for line in findings} == {"PASS", "INFO"}


def test_the_compiled_example_answers(compiled):
    """The compiled example passes most cases, refuses as ONNX Runtime does, and wraps."""
    results = {result.case: result for result in read_runs(compiled / "out")[0].results}
    outcomes = Counter(result.outcome for result in results.values())
    assert outcomes["passed"] > 20
    assert not outcomes["errored"]
    wrapped = results["embedding/bounds/single-index[index=-1]"]
    assert wrapped.kind == "accepted-invalid"
    assert results["embedding/bounds/single-index[index=4]"].outcome == "passed"
    assert results["embedding/lookup/many-rows[dtype=bfloat16]"].outcome == "unsupported"


def test_the_compiled_example_exports_once(compiled):
    """The compiled example caches its graphs, so a later run makes none."""
    folder = compiled / "cache" / "workers" / "embcheck-ort-gather" / "ort-gather"
    graphs = {path.name for path in folder.glob("*.bin")}
    assert len(graphs) > 10
    case = "embedding/bounds/single-index[index=-1]"
    done = call(compiled, "run", "-b", "ort-gather", "--case", case, "--out", "again")
    assert done.returncode == 1, done.stdout + done.stderr
    assert {path.name for path in folder.glob("*.bin")} == graphs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    """Files and headings that a page links to exist."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if not target.startswith("https://"):
            name, _, heading = target.partition("#")
            linked = page.parent / name if name else page
            assert linked.exists(), target
            titles = (
                re.findall(r"^#+ (.*)$", linked.read_text("utf-8"), re.MULTILINE) if heading else []
            )
            slugs = {re.sub(r"[^\w\s-]", "", t.lower()).replace(" ", "-") for t in titles}
            assert not heading or heading in slugs, target


def test_the_example_of_deviations_loads(tmp_path):
    """The example of deviations is valid, and the page names every field, word and condition."""
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
    """The spec at the top of the page on the format is valid."""
    path = tmp_path / "lookup.yaml"
    path.write_text(blocks("spec-format.md", "yaml")[0])
    spec = load_spec(path)
    assert [case.id.split("/")[-1] for case in spec.cases] == [
        "picks-rows[dtype=float16]",
        "picks-rows[dtype=float32]",
    ]
