"""The recipes of TensorFlow and Keras in graphs and in jit, which the suite does not run."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from embcheck import backends

FOLDER = Path(backends.__file__).parent / "recipes"

GRAPH = """
import numpy as np
import tensorflow as tf
from with_tensorflow import embedding, embedding_bag
from with_tensorflow_one_hot import one_hot

table = tf.Variable(np.arange(12, dtype=np.float32).reshape(4, 3))
some = tf.TensorSpec([None], tf.int64)

@tf.function(input_signature=[some, some])
def step(ids, offsets):
    with tf.GradientTape() as tape:
        bags = embedding_bag(table, ids, offsets, "max", padding_idx=2)
    grad = tape.gradient(bags, table)
    assert isinstance(grad, tf.IndexedSlices)
    return bags, tf.convert_to_tensor(grad), one_hot(ids)

bags, grad, codes = step(np.array([1, 2, 3, 1]), np.array([0, 3, 4]))
assert np.array_equal(bags, [[9, 10, 11], [3, 4, 5], [0, 0, 0]])
assert np.array_equal(grad[:, 0], [0, 1, 0, 1])
assert np.array_equal(codes, np.eye(4)[[1, 2, 3, 1]])
for ids, offsets in (([4], [0]), ([-1], [0]), ([1], [1]), ([1, 1], [0, 2, 1]), ([1], [0, 2])):
    try:
        step(np.array(ids), np.array(offsets))
    except tf.errors.InvalidArgumentError:
        continue
    raise AssertionError((ids, offsets))

@tf.function(jit_compile=True)
def compiled(table, ids, offsets):
    with tf.GradientTape() as tape:
        tape.watch(table)
        rows = embedding(table, ids, padding_idx=2)
        bags = embedding_bag(table, ids, offsets, "max", padding_idx=2)
    return rows, bags, tf.convert_to_tensor(tape.gradient([rows, bags], table))

for dtype in tf.float32, tf.bfloat16:
    given = tf.cast(table, dtype)
    rows, bags, grad = compiled(given, tf.constant([1, 2, 1]), tf.constant([0, 2, 3]))
    assert np.array_equal(rows, given.numpy()[[1, 2, 1]])
    assert np.array_equal(bags, given.numpy()[[1, 1, 0]] * [[1], [1], [0]])
    assert np.array_equal(grad[:, 0], [0, 4, 0, 0])
"""

EVERYWHERE = """
import numpy as np
from keras import ops
from with_keras import embedding, embedding_bag
from with_keras_one_hot import one_hot

table = np.array([[1, -2], [3, -4], [-5, 6], [-np.inf, np.nan]], np.float32)
rows = {"sum": [4, -6], "mean": [2, -3], "max": [3, -2]}
for index in ("int32", "int64"):
    ids = np.array([0, 2, 1, 3, 3], index)
    offsets = np.array([0, 0, 3, 3, 4], index)
    found = embedding(ops.convert_to_tensor(table), ids)
    np.testing.assert_array_equal(ops.convert_to_numpy(found), table[ids])
    for mode, row in rows.items():
        found = embedding_bag(
            ops.convert_to_tensor(table), ids, offsets, mode, None, 2, include_last_offset=True
        )
        expected = [[0, 0], row, [0, 0], [-np.inf, np.nan]]
        np.testing.assert_array_equal(ops.convert_to_numpy(found), expected)
for bad in (4, -1, 2**32 + 1):
    try:
        embedding(ops.convert_to_tensor(table), np.array([bad]))
    except IndexError:
        continue
    raise AssertionError(bad)
codes = ops.convert_to_numpy(one_hot(np.array([0, 2])))
assert np.array_equal(codes, [[1, 0, 0], [0, 0, 1]])
"""

TRACED = """
import jax, numpy as np
from with_keras import embedding, embedding_bag

def loss(table, ids, offsets):
    rows = embedding(table, ids, 2, check=False)
    return rows.sum() + embedding_bag(table, ids, offsets, "max", check=False).sum()

table = np.arange(12, dtype=np.float32).reshape(4, 3)
grad = jax.jit(jax.grad(loss))(table, np.array([1, 2, 3, 1]), np.array([0, 3]))
assert np.array_equal(grad[:, 0], [0, 3, 0, 2])
"""

NEEDED = {"numpy": ("jax",)}
"""Other libraries that a backend of Keras imports."""


def run(lines: str, **environment: str) -> None:
    """Run lines of code beside the recipes' files, in a process without embcheck."""
    given = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": "", **environment}
    words = [sys.executable, "-W", "ignore", "-c", lines]
    done = subprocess.run(words, cwd=FOLDER, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_recipe_of_tensorflow_works_in_graphs() -> None:
    """The TensorFlow recipe works in graphs of unknown sizes and in XLA, and refuses bad values."""
    pytest.importorskip("tensorflow")
    run(GRAPH)


@pytest.mark.parametrize("backend", ["jax", "torch", "numpy", "openvino", "tensorflow"])
def test_the_recipe_of_keras_works_with_each_of_its_backends(backend: str) -> None:
    """The Keras recipe gives the same answers and refusals with each backend of Keras."""
    for library in ("keras", backend, *NEEDED.get(backend, ())):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"no {library} here")
    run(EVERYWHERE, KERAS_BACKEND=backend)


def test_the_recipe_of_keras_works_where_jax_traces_it() -> None:
    """Without checks, the Keras recipe can be compiled and differentiated by JAX."""
    for library in ("keras", "jax"):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"no {library} here")
    run(TRACED, KERAS_BACKEND="jax")
