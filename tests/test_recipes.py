"""Recipes: code to copy that needs only its library."""

from __future__ import annotations

import ast
import builtins
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from embcheck import backends
from embcheck.backends.reference.numpy_reference import NumpyReference
from embcheck.cli.main import main
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.client import BackendUnavailable, WorkerClient
from embcheck.conformance.execution.protocol.answers import Answered, NotSupported
from embcheck.conformance.execution.protocol.messages import describe_call
from embcheck.reports.answers.recipes import RecipeError, recipe_of, recipes

FOLDER = Path(backends.__file__).parent / "recipes"
FILES = sorted(FOLDER.glob("with_*.py"))
RECIPES = sorted(recipes())
MOST_LINES = 79
LIBRARIES = {"onnx": ("torch",), "onnxscript": ("onnx", "onnxscript")}
"""What a recipe may import if this is not the library it is named after."""

BACKENDS = {
    "jax": "jax-recipe",
    "keras": "keras-recipe",
    "mlx": "mlx-recipe",
    "numpy": "numpy-recipe",
    "onnx": "onnxruntime-recipe",
    "onnxscript": "onnxruntime-graph-recipe",
    "openvino": "openvino-recipe",
    "paddle": "paddle-recipe",
    "scipy": "scipy-recipe",
    "tensorflow": "tensorflow-recipe",
    "tinygrad": "tinygrad-recipe",
}
"""The backend of each recipe."""

RACES = {"index_add", "index_add_", "ScatterND"}
"""Operations whose sums are wrong with ONNX Runtime's threads:
https://github.com/microsoft/onnxruntime/issues/18048"""

TABLE = np.arange(12, dtype=np.float32).reshape(4, 3)
FLAT = {"weight": TABLE, "indices": np.array([1, 2, 2, 0]), "offsets": np.array([0, 0, 3])}
WEIGHTED = {**FLAT, "per_sample_weights": np.array([1, 2, 3, 4], np.float32)}
CALLS = {
    "lookup": Call(Operation.EMBEDDING, {"weight": TABLE, "indices": np.array([[1, 3]])}),
    "padding": Call(
        Operation.EMBEDDING, {"weight": TABLE, "indices": np.array([1, 3])}, {"padding_idx": -1}
    ),
    **{
        mode: Call(Operation.EMBEDDING_BAG, FLAT, {"mode": mode}) for mode in ("sum", "mean", "max")
    },
    "padded": Call(Operation.EMBEDDING_BAG, FLAT, {"mode": "mean", "padding_idx": 2}),
    "weighted": Call(Operation.EMBEDDING_BAG, WEIGHTED, {"mode": "sum"}),
    "matrix": Call(
        Operation.EMBEDDING_BAG, {"weight": TABLE, "indices": np.array([[1, 3], [0, 0]])}
    ),
    "one-hot": Call(Operation.ONE_HOT, {"indices": np.array([2, 0])}, {"num_classes": 3}),
}


ASKED = {"onnx": ("lookup", "padded")}
"""For recipes that export each call, which takes seconds, the few calls that are asked."""


@pytest.fixture
def worker_of():
    """Return a function that starts a recipe's worker, in a process of its own."""
    clients = []

    def start(library):
        assert library in BACKENDS, f"name the backend of with_{library}.py in BACKENDS"
        clients.append(WorkerClient(BACKENDS[library]))
        try:
            assert clients[0].info
        except BackendUnavailable as reason:
            pytest.skip(f"{BACKENDS[library]} does not run here: {reason}")
        return clients[0]

    yield start
    for client in clients:
        client.close()


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_recipe_needs_its_library_alone(file):
    """A recipe is short, and imports only its library, NumPy, Python's own and its first file."""
    text = file.read_text("utf-8")
    tree, library = ast.parse(text), file.stem.split("_")[1]
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.module == f"with_{library}" != file.stem
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported <= {*LIBRARIES.get(library, (library,)), "numpy", *sys.stdlib_module_names}
    assert len(text.splitlines()) <= MOST_LINES
    mentioned = {getattr(node, "attr", "") for node in ast.walk(tree)}
    assert not mentioned & RACES or not library.startswith("onnx")


@pytest.mark.parametrize("library", RECIPES)
def test_a_recipe_can_leave_its_checks_out(library):
    """Each lookup and bag has `check=True`, so that `bench` can time it without checks."""
    tree = ast.parse(recipes()[library])
    found = {node.name: node.args for node in tree.body if isinstance(node, ast.FunctionDef)}
    for name in ("embedding", "embedding_bag"):
        assert found[name].args[-1].arg == "check"
        assert ast.literal_eval(found[name].defaults[-1]) is True
    title = (ast.get_docstring(tree) or "").splitlines()[0]
    assert len(title) <= 68, "the list of recipes would be wider than a terminal"


@pytest.mark.parametrize("library", RECIPES)
def test_a_recipe_answers_as_documented(library, worker_of, monkeypatch, tmp_path):
    """A recipe answers as documented, with and without checks."""
    monkeypatch.setenv("EMBCHECK_CACHE", str(tmp_path))  # Keep exports here.
    worker, reference = worker_of(library), NumpyReference()
    names, answered = ASKED.get(library, tuple(CALLS)), 0
    for name, call in ((name, CALLS[name]) for name in names):
        if isinstance(worker.ask(call), NotSupported):
            continue
        want = reference.to_numpy(reference.prepare(call)())["output"]
        header = {"request": "spellings", "call": describe_call(call), "stored": []}
        others = worker.request(header, call.inputs).details["names"]
        for spelling in (None, *others):
            answer = worker.ask(call, spelling=spelling)
            assert isinstance(answer, Answered), (name, spelling, answer)
            if spelling in (None, "without checks"):
                said = f"{name} {spelling}"
                np.testing.assert_array_equal(answer.arrays["output"], want, said)
        assert call.operation is Operation.ONE_HOT or "without checks" in others
        answered += 1
    assert answered >= len(names) - 2


@pytest.mark.parametrize("library", RECIPES)
def test_a_part_is_enough_for_its_feature(library):
    """The part of a recipe for a feature is shorter and defines all names it uses."""
    whole = recipes()[library]
    part = recipe_of(library, "lookup")
    assert len(part) < len(whole)
    known = {*vars(builtins)}
    tree = ast.parse(part)
    stored = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            stored.add(node.name)
        if isinstance(node, ast.arg):
            stored.add(node.arg)
        if isinstance(node, ast.alias):
            stored.add(node.asname or node.name.partition(".")[0])
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert used <= stored | known
    assert "def embedding_bag" not in part


def test_a_part_runs():
    """The part for a feature runs, and has no other functions."""
    part = recipe_of("numpy", "bag.weights.gradient")
    space: dict[str, object] = {}
    exec(compile(part, "part", "exec"), space)  # our own code
    assert "embedding" not in space
    total, of_weights = space["embedding_bag_gradient"](  # type: ignore[operator]
        np.ones((1, 3)), TABLE, np.array([[1, 1]]), None, "sum", np.ones((1, 2), np.float32)
    )
    np.testing.assert_array_equal(total[1], [2, 2, 2])
    np.testing.assert_array_equal(of_weights, [[12, 12]])
    with pytest.raises(RecipeError, match="takes no max_norm"):
        recipe_of("jax", "max_norm.in-place")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none"], "there are: jax"),
        (["jax", "--feature", "bag.maen"], "did you mean bag.mean"),
        (["jax", "--feature", "freeze"], "has nothing for 'freeze'"),
        (["--feature", "bag.mean"], "needs a LIBRARY"),
    ],
)
def test_what_there_is_not_is_refused(words, said):
    """Unknown recipes and features are refused with a hint."""
    result = CliRunner().invoke(main, ["recipe", *words])
    assert result.exit_code == 2
    assert said in result.output


def test_the_command_prints_what_can_be_run(tmp_path):
    """The printed JAX recipe looks up, sums and refuses in a process without embcheck."""
    if find_spec("jax") is None:
        pytest.skip("JAX is not installed")
    result = CliRunner().invoke(main, ["recipe", "jax"])
    assert result.exit_code == 0
    (tmp_path / "copied.py").write_text(result.output, "utf-8")
    lines = """
import sys
import jax, numpy as np
from copied import embedding, embedding_bag
table = jax.numpy.arange(12.0).reshape(4, 3)
ids, offsets = np.array([1, 2, 2], np.int32), np.array([0, 0, 3], np.int32)
bags = jax.jit(lambda t, i, o: embedding_bag(t, i, o, padding_idx=2, include_last_offset=True))
assert np.array_equal(bags(table, ids, offsets), [[0, 0, 0], [3, 4, 5]])
grad = jax.grad(lambda t: embedding(t, ids, padding_idx=2).sum())(table)
assert np.array_equal(grad, np.repeat([[0], [1], [0], [0]], 3, axis=1))
for bad in (4, -1, 2**32 + 1):
    try:
        embedding(table, np.array([bad]))
    except IndexError:
        continue
    raise AssertionError(bad)
assert "embcheck" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_recipes_are_listed():
    """Recipes are listed by library with a sentence each, in 80 columns."""
    result = CliRunner().invoke(main, ["recipe"])
    assert [line.split()[0] for line in result.output.splitlines()] == RECIPES
    assert max(map(len, result.output.splitlines())) <= 80
