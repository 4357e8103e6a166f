"""`embcheck init`: the CI job that it writes runs the suite, and fails only on what is new."""

from __future__ import annotations

import ast
import os
import re
import runpy
import shlex
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML
from workflow_steps import EXPRESSION, own_commands, recording_commands, run_steps

from embcheck.cli.actions.init import extras_of
from embcheck.cli.main import main
from embcheck.conformance.scaffold.distribution import text_of
from embcheck.conformance.scaffold.job import PINS
from embcheck.conformance.scaffold.names import Names

ROOT = Path(__file__).parent.parent
BACKEND = "sample-take"
CASES = "embedding/bounds/single-index"
"""Two cases: an index past the end, which NumPy refuses, and a negative one, which it accepts."""
COMPARE = "Compare with what was accepted"
ADDRESS = "git+https://example.org/embcheck@abc"
RIGHT = 'inputs["weight"][inputs["indices"]]'
WRONG = 'inputs["weight"].take(inputs["indices"], axis=0, mode="clip")'
PINNED = re.compile(r"actions/[\w-]+@[0-9a-f]{40}")


def loaded(path: Path):
    """Read YAML by version 1.2, like GitHub: the key `on` is not a boolean."""
    return YAML(typ="safe").load(path.read_text("utf-8"))


def action_steps():
    """Return the steps of the action."""
    return loaded(ROOT / "action.yml")["runs"]["steps"]


@pytest.fixture
def sample(tmp_path):
    """Make a repository with an adapter that is installed from there; return its folder."""
    folder = tmp_path / "sample"
    names = Names.of(BACKEND)
    package = folder / names.package
    package.mkdir(parents=True)
    (package / "adapter.py").write_text(text_of("adapter.py", names))
    (folder / "pyproject.toml").write_text(text_of("pyproject.toml", names))
    site = tmp_path / "site" / f"{names.package}-0.1.0.dist-info"
    site.mkdir(parents=True)
    told = f"Metadata-Version: 2.1\nName: {names.distribution}\nVersion: 0.1.0\n"
    (site / "METADATA").write_text(told)
    point = f"{BACKEND} = {names.package}.adapter:{names.adapter}"
    (site / "entry_points.txt").write_text(f"[embcheck.backends]\n{point}\n")
    (site / "direct_url.json").write_text(f'{{"url": "{folder.as_uri()}", "dir_info": {{}}}}')
    return folder


@pytest.fixture
def initialised(sample, monkeypatch):
    """Run `embcheck init` in the sample, for two cases; return what was printed."""
    monkeypatch.syspath_prepend(sample)
    monkeypatch.syspath_prepend(sample.parent / "site")
    monkeypatch.chdir(sample)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return init("-b", BACKEND, "--embcheck", ADDRESS, "--run-options", f"--case {CASES}")


def init(*words: str, code: int = 0) -> list[str]:
    """Call `embcheck init`; return what it printed."""
    done = CliRunner().invoke(main, ["init", *words])
    assert done.exit_code == code, done.output
    return done.output.splitlines()


def test_the_job_runs_accepts_and_fails_on_what_is_new(sample, initialised, tmp_path):
    """The job fails before anything is accepted, then passes, and fails on a planted fault."""
    assert initialised[-2:] == [".github/workflows/embcheck.yml", "noxfile.py"]
    steps = loaded(sample / ".github/workflows/embcheck.yml")["jobs"]["embcheck"]["steps"]
    commands = own_commands(tmp_path / "commands")
    install = next(step["run"] for step in steps if step.get("name") == "Install")
    assert install == f"python -m pip install 'embcheck @ {ADDRESS}' .\n"
    first = run_steps(steps, sample, commands)
    assert first.ran == {"Run the suite": 0, "Make the page": 0, COMPARE: 2}, first.output
    assert "nothing is accepted yet" in first.summary
    download = "gh run download 1234 -n embcheck -D embcheck-out"
    assert f"    {download}\n    embcheck accept embcheck-out\n" in first.summary
    assert "::error file=.embcheck/accepted.jsonl," in first.output
    assert set(first.passed_over.values()) == {"uses an action", "installs"}
    assert (sample / "embcheck-out/report.html").exists()

    accepted = CliRunner().invoke(main, ["accept", "embcheck-out"])
    assert accepted.output.splitlines()[-1] == ".embcheck/accepted.jsonl"
    second = run_steps(steps, sample, commands)
    assert second.failed == [], second.output
    assert "Nothing is worse than what was accepted" in second.summary
    assert "::error" not in second.output

    adapter = sample / "embcheck_sample_take" / "adapter.py"
    assert RIGHT in adapter.read_text()
    adapter.write_text(adapter.read_text().replace(RIGHT, WRONG))
    third = run_steps(steps, sample, commands)
    assert third.ran[COMPARE] == 1, third.output
    case = "embedding/bounds/single-index[index=4]"
    (error,) = re.findall(r"^::error .*", third.output, re.MULTILINE)
    assert error.startswith("::error file=embcheck_sample_take/adapter.py,title=embcheck::")
    assert f"1 result, passed -> failed: accepted-invalid; the first is {case}" in error
    assert f"- `{case}`, saying `" in third.summary
    assert "index=-1" not in third.summary  # It failed when it was accepted, too.


@pytest.mark.usefixtures("initialised")
def test_nothing_is_overwritten(sample):
    """`init` overwrites neither workflow nor noxfile; beside a noxfile it writes another file."""
    before = (sample / "noxfile.py").read_text()
    words = ("-b", "numpy-reference", "--embcheck", "index")
    (said,) = init(*words, code=2)
    assert "is there already, and nothing was changed" in said
    (sample / ".github/workflows/embcheck.yml").unlink()
    assert init(*words)[0].startswith("nox -f embcheck_nox.py -s embcheck -- accept")
    assert (sample / "noxfile.py").read_text() == before


@pytest.mark.usefixtures("initialised")
@pytest.mark.parametrize("accepts", [False, True])
def test_the_session_of_nox_does_the_same(sample, monkeypatch, accepts):
    """The nox session runs the workflow's commands, or accepts the results if asked to."""
    nox = ModuleType("nox")
    nox.session = lambda function: function
    monkeypatch.setitem(sys.modules, "nox", nox)
    session = runpy.run_path(str(sample / "noxfile.py"))["embcheck"]
    calls = []

    class Session:
        posargs = ["accept"] if accepts else []

        def install(self, *words):
            calls.append(["python", "-m", "pip", "install", *words])

        def run(self, *words, success_codes=(0,)):
            passing = ["||", "test", "$?", "-eq", "1"] if success_codes == [0, 1] else []
            calls.append([*words, *passing])

    session(Session())
    steps = loaded(sample / ".github/workflows/embcheck.yml")["jobs"]["embcheck"]["steps"]
    wanted = [shlex.split(step["run"]) for step in steps if "run" in step]
    wanted[-1] = wanted[-1][:-3]  # Without the options for GitHub.
    if accepts:
        wanted[-1] = ["embcheck", "accept", "embcheck-out", "--as", ".embcheck/accepted.jsonl"]
    assert calls == wanted


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-b", "numpy-referenc"], "did you mean numpy-reference"),
        (["-b", "of-this-repository"], "if it is your own, install its package first"),
        (["-b", "numpy-reference", "--run-options", "-k 'a"], "--run-options: No closing"),
        (["-b", "numpy-reference", "--embcheck", "nowhere"], "holds no pyproject.toml"),
        (["-b", "numpy-reference", "--embcheck", "https://x.org/e"], "write git+https://x.org/e"),
    ],
)
def test_what_cannot_be_written_is_told(tmp_path, words, said):
    """A mistake is a usage error with a hint, and nothing is written."""
    done = CliRunner().invoke(main, ["init", str(tmp_path), *words])
    assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert said in done.output


def test_the_action_hands_its_inputs_on_as_words(tmp_path):
    """The action passes its inputs on as arguments; nothing in them is run as shell code."""
    action = loaded(ROOT / "action.yml")
    given = {name: str(of.get("default", "")) for name, of in action["inputs"].items()}
    given |= {"backends": "a-b $(touch$IFS/here)\n'c;d'", "install": ". x==1", "extras": "e,f"}
    given |= {"run-options": "--case\nembedding/*", "accepted": "a file"}
    values = {f"inputs.{name}": value for name, value in given.items()}
    values["github.action_path"] = "/the action"
    (tmp_path / "sample").mkdir()
    log = tmp_path / "log"
    commands = recording_commands(tmp_path / "commands", log)
    job = run_steps(action["runs"]["steps"], tmp_path / "sample", commands, values)
    assert job.failed == [], job.output
    assert [call.splitlines() for call in log.read_text().rstrip().split("\n\n")] == [
        ["python", "-m", "pip", "install", "/the action[e,f]", ".", "x==1"],
        ["embcheck", "run", "--backend=a-b", "--backend=$(touch$IFS/here)", "--backend='c;d'",
         "--case", "embedding/*", "--out", "embcheck-out"],
        ["embcheck", "report", "embcheck-out", "--html", "embcheck-out/report.html", "--quiet"],
        ["embcheck", "diff", "a file", "embcheck-out", "--fail-on", "new", "--annotations",
         "--markdown", str(tmp_path / "summary.md")],
    ]  # fmt: skip
    written = dict(line.split("=") for line in job.outputs.splitlines())
    assert written.keys() == action["outputs"].keys()


def test_the_action_is_one():
    """The action is well-formed: shells, pinned actions, and inputs only through variables."""
    action = loaded(ROOT / "action.yml")
    assert action.keys() == {"name", "description", "inputs", "outputs", "runs"}
    steps = action["runs"]["steps"]
    assert action["runs"]["using"] == "composite"
    for step in steps:
        assert PINNED.fullmatch(step["uses"]) if "uses" in step else step["shell"] == "bash"
        assert "${{" not in step.get("run", "")
    text = (ROOT / "action.yml").read_text()
    used = set(re.findall(r"\binputs\.([\w-]+)", text))
    assert used == action["inputs"].keys()
    assert all("description" in of and ("default" in of or of["required"])
               for of in action["inputs"].values())  # fmt: skip
    ids = {step.get("id") for step in steps}
    for of in action["outputs"].values():
        (found,) = EXPRESSION.findall(of["value"])
        assert found.split(".")[1] in ids
        assert f"{found.split('.')[-1]}=" in "".join(step.get("run", "") for step in steps)
    assert "secrets." not in text
    assert set(re.findall(r"uses: (.*)", text)) < set(PINS.values())


@pytest.mark.usefixtures("initialised")
def test_the_workflow_is_safe(sample):
    """The workflow pins its actions, has read permission only, and keeps no credentials."""
    workflow = loaded(sample / ".github/workflows/embcheck.yml")
    assert workflow["permissions"] == {"contents": "read"}
    steps = workflow["jobs"]["embcheck"]["steps"]
    assert all(PINNED.fullmatch(step["uses"]) for step in steps if "uses" in step)
    assert steps[0]["with"] == {"persist-credentials": False}
    assert steps[-1]["if"] == action_steps()[-1]["if"] == "always()"  # Failures are shown too.
    assert not any("${{" in step.get("run", "") for step in steps)


@pytest.mark.usefixtures("initialised")
def test_the_page_shows_what_is_written(sample):
    """The page on CI shows the workflow's commands and uses known inputs of the action."""
    page = (ROOT / "docs/ci.md").read_text()
    steps = loaded(sample / ".github/workflows/embcheck.yml")["jobs"]["embcheck"]["steps"]
    scripts = [step["run"] for step in steps if "run" in step and step["name"] != "Install"]
    shown = "".join(scripts).replace(f"-b {BACKEND} --case {CASES}", "-b jax-take --quick")
    assert shown.replace('"$GITHUB_STEP_SUMMARY"', "FILE") in page
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    given = YAML(typ="safe").load(example)["steps"][1]["with"]
    assert given.keys() < loaded(ROOT / "action.yml")["inputs"].keys()


def test_the_extras_of_own_backends_are_named(tmp_path, monkeypatch):
    """The extras found for our backends are those of noxfile.py, except for two recipes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = ["Metadata-Version: 2.1", "Name: embcheck", "Version: 0.1.0"]
    for extra, requirements in project["optional-dependencies"].items():
        lines += [f"Provides-Extra: {extra}"]
        lines += [f'Requires-Dist: {one}; extra == "{extra}"' for one in requirements]
    points = [f"{k} = {v}" for k, v in project["entry-points"]["embcheck.backends"].items()]
    place = tmp_path / "embcheck-0.1.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("\n".join(lines) + "\n")
    (place / "entry_points.txt").write_text("\n".join(["[embcheck.backends]", *points]) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    (tables,) = (
        eval(compile(ast.Expression(node.value), "noxfile.py", "eval"))
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ENVIRONMENTS"
    )
    wanted = {name: extra for table in tables.values() for name, extra in table.items()}
    others = {
        name: extras
        for name, extra in wanted.items()
        if (extras := extras_of((name,))) != ((extra,) if extra else ())
    }
    assert others == {
        "keras-recipe": ("keras-tensorflow",),
        "onnxruntime-graph-recipe": ("onnx",),
    }
    assert extras_of(("jax-take@cuda", "cupy@cuda", "numpy-reference")) == ("cupy", "jax")
