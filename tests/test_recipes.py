"""Recipes: code to copy, which needs its library alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from embcheck import backends
from embcheck.cli.main import main

FOLDER = Path(backends.__file__).parent / "recipes"
RECIPES = sorted(file.stem.removeprefix("with_") for file in FOLDER.glob("with_*.py"))
MOST_LINES = 135
LIBRARIES = {"onnx": ("torch",), "onnxscript": ("onnx", "onnxscript")}
"""What a recipe may import, where that is not the library that it is named after."""


@pytest.mark.parametrize("library", RECIPES)
def test_a_recipe_needs_its_library_alone(library):
    """No import but the library, NumPy and Python's own; short enough to copy."""
    text = (FOLDER / f"with_{library}.py").read_text("utf-8")
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported <= {*LIBRARIES.get(library, (library,)), "numpy", *sys.stdlib_module_names}
    assert len(text.splitlines()) <= MOST_LINES


def test_the_command_prints_what_can_be_run(tmp_path):
    """What it prints for JAX looks up, pools and refuses, in a process without embcheck."""
    pytest.importorskip("jax")
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
    """By their library, with a sentence each."""
    result = CliRunner().invoke(main, ["recipe"])
    assert [line.split()[0] for line in result.output.splitlines()] == RECIPES
    assert CliRunner().invoke(main, ["recipe", "none"]).exit_code == 2
