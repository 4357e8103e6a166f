"""The distribution that `embcheck new-backend` writes works as it is."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from commands import embcheck, environment
from packaging.requirements import Requirement
from packaging.version import Version
from ruamel.yaml import YAML

from embcheck.conformance.execution.judging.deviations import read_deviations
from embcheck.conformance.scaffold.distribution import text_of
from embcheck.conformance.scaffold.names import BadName, Names
from embcheck.conformance.scaffold.origin import (
    BadOrigin,
    adapter_file,
    home,
    next_version,
    requirement,
)

GUIDE = Path(__file__).parent.parent / "docs" / "adapter-guide.md"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Write a distribution, install it into a folder, and return the folder."""
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
    """Run Python with the distribution installed."""
    found = {**environment(), "PYTHONPATH": os.pathsep.join([str(folder / "site")])}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder, env=found, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_the_new_adapter_is_sound(made):
    """The new distribution's own tests pass, without a failed check or a warning."""
    tests = made / "embcheck-mylib-take-cpu" / "tests"
    done = run(made, "-m", "pytest", "-q", "-rP", "-p", "no:cacheprovider", str(tests))
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    words = re.findall(r"^(PASS|INFO|WARN|FAIL)\b", done.stdout, re.MULTILINE)
    assert set(words) == {"PASS", "INFO"}, done.stdout


def test_its_known_deviations_travel(made):
    """The installed package contains a file of deviations, still without entries."""
    (path,) = made.glob("site/*/deviations/*.yaml")
    assert path.name == "mylib-take@cpu.yaml"
    assert read_deviations(path) == ()


def test_its_workflow_tests_and_runs_it(made):
    """The new workflow installs the distribution, and runs its tests and its backend."""
    folder = made / "embcheck-mylib-take-cpu"
    workflow = YAML(typ="safe").load(folder / ".github/workflows/embcheck.yml")
    scripts = [step.get("run", "") for step in workflow["jobs"]["embcheck"]["steps"]]
    for words in (
        "python -m pip install .\n",
        "python -m pytest --ignore tests/test_suite.py ",
        "embcheck run -b mylib-take@cpu --quick --out embcheck-out ",
        "embcheck diff .embcheck/accepted.jsonl embcheck-out --fail-on new ",
    ):
        assert any(script.startswith(words) for script in scripts), words
    assert (folder / "tests/test_suite.py").exists()


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
    """The names of the distribution, package and class are valid."""
    names = Names.of(name)
    assert (names.distribution, names.adapter) == (distribution, adapter)
    project = tomllib.loads(text_of("pyproject.toml", names))
    assert project["project"]["name"] == distribution
    place = project["project"]["entry-points"]["embcheck.backends"][name]
    assert place == f"{names.package}.adapter:{adapter}"
    assert names.package.isidentifier()
    tree = ast.parse(text_of("adapter.py", names))
    assert [node.name for node in tree.body if isinstance(node, ast.ClassDef)] == [adapter]
    assert YAML().load(text_of("deviations.yaml", names)) == {"deviations": []}


@pytest.mark.parametrize(
    "name",
    ["", "Mylib", "4bit", "my_lib", "-x", "x-", "a--b", "a@", "a@b@c", "a@B", "a\n", "../a", "a/b"],
)
def test_a_name_that_fits_nowhere_is_refused(name):
    """An invalid name is refused with a description of valid ones."""
    with pytest.raises(BadName, match="small letters and digits"):
        Names.of(name)


def test_nothing_is_overwritten(tmp_path):
    """An existing folder, a known backend's name, and a place that is no folder are refused."""
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
    """The guide shows the adapter that the command writes, which is short."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert code == text_of("adapter.py", Names.of("numpy-index"))
    assert len(re.findall(r"^.*\S", code, re.MULTILINE)) < 60


@pytest.mark.parametrize(("own", "following"), [("0.1.0", "0.2"), ("1.4.2", "2")])
def test_the_next_breaking_version_is_excluded(own, following):
    """The requirement excludes the next minor version before 1.0, later the next major one."""
    assert next_version(Version(own)) == following


@pytest.fixture
def installed_from(tmp_path, monkeypatch):
    """Return a function that makes embcheck look as if it was installed from a given origin."""

    def install(told: object) -> str:
        place = tmp_path / "embcheck-0.3.1.dist-info"
        place.mkdir()
        (place / "METADATA").write_text("Metadata-Version: 2.1\nName: embcheck\nVersion: 0.3.1\n")
        if told is not None:
            (place / "direct_url.json").write_text(json.dumps(told))
        monkeypatch.syspath_prepend(tmp_path)
        return requirement(None, ("jax", "onnx"))

    return install


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (None, ">=0.3.1,<0.4"),
        ({"url": "file:///src/emb%20check", "dir_info": {"editable": True}},
         " @ file:///src/emb%20check"),
        ({"url": "https://x.org/o/e.git", "vcs_info": {"vcs": "git", "commit_id": "abc1"}},
         " @ git+https://x.org/o/e.git@abc1"),
        ({"url": "ssh://git@x.org/e", "vcs_info": {"vcs": "git", "commit_id": "abc1"}},
         " @ git+ssh://git@x.org/e@abc1"),
        ({"url": "https://me:token@x.org/e", "vcs_info": {"vcs": "git", "commit_id": "abc1"}},
         " @ git+https://x.org/e@abc1"),
        ({"url": "https://x.org/e-0.3.1-py3-none-any.whl", "archive_info": {}},
         " @ https://x.org/e-0.3.1-py3-none-any.whl"),
        ({"url": "https://x.org/e", "vcs_info": {"vcs": "git", "commit_id": "a"},
          "subdirectory": "py"}, " @ git+https://x.org/e@a#subdirectory=py"),
    ],
)  # fmt: skip
def test_embcheck_is_installed_from_where_it_is(installed_from, told, wanted):
    """The requirement names the origin of this embcheck, without passwords."""
    required = installed_from(told)
    assert required == f"embcheck[jax,onnx]{wanted}"
    Requirement(required)


def test_a_place_to_install_from_may_be_named(tmp_path):
    """An origin may be named if pip can install from it."""
    (tmp_path / "pyproject.toml").touch()
    assert requirement(str(tmp_path)) == f"embcheck @ {tmp_path.as_uri()}"
    assert requirement("index").startswith("embcheck>=")
    assert requirement("git+https://x.org/e") == "embcheck @ git+https://x.org/e"
    for wrong in ("https://x.org/e", str(tmp_path / "nothing"), "e"):
        with pytest.raises(BadOrigin):
            requirement(wrong)


def test_only_pages_that_exist_are_linked():
    """The README links to embcheck's repository if it has a web address, and otherwise nowhere."""
    names = Names.of("mylib")
    address = "embcheck @ git+https://x.org/o/e.git@abc#subdirectory=py"
    assert home(address) == "https://x.org/o/e"
    assert "[embcheck](https://x.org/o/e)" in text_of("README.md", names, address)
    for place in ("embcheck @ file:///src/e", "embcheck>=0.1", "embcheck @ git+ssh://git@x.org/e"):
        text = text_of("README.md", names, place)
        assert "](" not in text
        assert ("installs embcheck from a folder" in text) == ("file:" in place)


@pytest.mark.parametrize(
    ("told", "source", "found"),
    [
        ({"dir_info": {"editable": True}}, "", True),
        ({"dir_info": {}}, "src", True),
        ({"dir_info": {}}, "lib", False),
        ({"vcs_info": {"vcs": "git", "commit_id": "a"}}, "", False),
        (None, "", False),
    ],
)
def test_an_adapter_is_found_in_the_folder_that_it_was_installed_from(
    tmp_path, monkeypatch, told, source, found
):
    """An adapter's file is found if it was installed from a folder, at its top or in `src`."""
    folder = tmp_path / "my project"
    file = folder / source / "pack_age" / "adapter.py"
    file.parent.mkdir(parents=True)
    file.touch()
    place = tmp_path / "pack_age-1.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: pack-age\nVersion: 1\n")
    (place / "entry_points.txt").write_text("[embcheck.backends]\nmine = pack_age.adapter:A\n")
    if told is not None:
        (place / "direct_url.json").write_text(json.dumps({"url": folder.as_uri(), **told}))
    monkeypatch.syspath_prepend(tmp_path)
    assert adapter_file("mine") == (file if found else None)
    assert adapter_file("numpy-reference") is None or adapter_file("numpy-reference").exists()
    assert adapter_file("nobody's") is None
