"""A new backend's distribution runs as it is written."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from commands import embcheck, environment
from packaging.version import Version
from ruamel.yaml import YAML

from embcheck.conformance.records.run import read_runs
from embcheck.conformance.scaffold.distribution import next_version, render
from embcheck.conformance.scaffold.names import BadName, Names

GUIDE = Path(__file__).parent.parent / "docs" / "adapter-guide.md"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Write a distribution and install it into a folder of its own."""
    folder = tmp_path_factory.mktemp("new")
    done = embcheck("new-backend", "mylib-take@cpu", cwd=folder)
    assert done.returncode == 0, done.stderr
    commands = done.stdout.splitlines()
    assert commands[:2] == [
        "pip install -e ./embcheck-mylib-take-cpu",
        "embcheck check-backend mylib-take@cpu",
    ]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    options = ["--no-deps", "--no-build-isolation", "--target", "site", f"./{commands[-1]}"]
    subprocess.run([*pip, *options], check=True, capture_output=True, cwd=folder)
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python where the distribution is installed."""
    found = {**environment(), "PYTHONPATH": os.pathsep.join([str(folder / "site")])}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder, env=found, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_the_new_adapter_is_sound(made):
    """No check fails or warns, without a line having been written."""
    done = run(made, "-m", "embcheck.cli", "check-backend", "mylib-take@cpu")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"PASS", "INFO"}


def test_its_own_test_passes(made):
    """The test that comes with it runs the smoke test."""
    tests = made / "embcheck-mylib-take-cpu" / "tests"
    done = run(made, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests))
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_its_known_deviations_travel_and_hold(made):
    """What NumPy is known to do otherwise is found beside the installed module, and happens."""
    specs = ("embedding/bounds.yaml", "embedding_bag/bounds.yaml")
    root = Path(__file__).parent.parent / "specs"
    words = [word for spec in specs for word in ("--specs", str(root / spec))]
    main = ("-m", "embcheck.cli", "run", "-b", "mylib-take@cpu", "--out", "out")
    done = run(made, *main, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = read_runs(made / "out")
    outcomes = [result.outcome for result in found.results]
    assert outcomes.count("deviated") >= 10
    assert "stale" not in outcomes


@pytest.mark.parametrize(
    ("name", "distribution", "adapter"),
    [
        ("mylib", "embcheck-mylib", "Mylib"),
        ("my-lib-take", "embcheck-my-lib-take", "MyLibTake"),
        ("mylib@cuda", "embcheck-mylib-cuda", "MylibCuda"),
        ("q-4bit", "embcheck-q-4bit", "Q4bit"),
        ("none", "embcheck-none", "NoneAdapter"),
        ("backend-info", "embcheck-backend-info", "BackendInfoAdapter"),
    ],
)
def test_names_fit_where_they_are_used(name, distribution, adapter):
    """The distribution, its package and its class have names that tools and Python take."""
    names = Names.of(name)
    assert (names.distribution, names.adapter) == (distribution, adapter)
    project = tomllib.loads(render("pyproject.toml", names))
    assert project["project"]["name"] == distribution
    place = project["project"]["entry-points"]["embcheck.backends"][name]
    assert place == f"{names.package}.adapter:{adapter}"
    assert names.package.isidentifier()
    tree = ast.parse(render("adapter.py", names))
    assert [node.name for node in tree.body if isinstance(node, ast.ClassDef)] == [adapter]
    assert YAML().load(render("deviations.yaml", names))["deviations"]


@pytest.mark.parametrize(
    "name",
    ["", "Mylib", "4bit", "my_lib", "-x", "x-", "a--b", "a@", "a@b@c", "a@B", "a\n", "../a", "a/b"],
)
def test_a_name_that_fits_nowhere_is_refused(name):
    """Such a name is told what it should look like."""
    with pytest.raises(BadName, match="small letters and digits"):
        Names.of(name)


def test_nothing_is_overwritten(tmp_path):
    """A folder that is there, a known backend's name and a place that is no folder are refused."""
    there = tmp_path / "embcheck-mylib"
    there.mkdir()
    done = embcheck("new-backend", "mylib", "--out", tmp_path)
    assert (done.returncode, list(there.iterdir())) == (2, [])
    assert "is there already" in done.stderr
    done = embcheck("new-backend", "numpy-reference", "--out", tmp_path)
    assert done.returncode == 2
    assert "there is a backend 'numpy-reference' already" in done.stderr
    (tmp_path / "file").touch()
    done = embcheck("new-backend", "mylib", "--out", tmp_path / "file" / "below")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_guide_shows_what_is_written():
    """The adapter in the guide is the one that the command writes, and is short."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert code == render("adapter.py", Names.of("numpy-index"))
    assert len(re.findall(r"^.*\S", code, re.MULTILINE)) < 60


@pytest.mark.parametrize(("own", "following"), [("0.1.0", "0.2"), ("1.4.2", "2")])
def test_the_next_breaking_version_is_excluded(own, following):
    """Before 1.0 a minor version may break adapters, later a major one."""
    assert next_version(Version(own)) == following
