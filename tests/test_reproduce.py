"""Printed scripts run without embcheck, and show what the suite saw."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from commands import embcheck

SCRIPTS = [
    ("torch-eager", "embedding_bag/include_last_offset/mean-ends-early", "DEPARTS"),
    ("torch-eager", "embedding_bag/include_last_offset/gradient-ends-early[mode=mean]", "DEPARTS"),
    ("torch-eager", "embedding_bag/bounds/negative-32-bit", "conforms"),
    ("torch-eager", "embedding/lookup/picks-rows[dtype=bfloat16,index_dtype=int32]", "conforms"),
    ("torch-eager", "pretrained/embedding_freeze/frozen-after-training", "conforms"),
    ("torch-export", "embedding_bag/include_last_offset/mean-ends-early", "DEPARTS"),
    ("torch-compile", "embedding/bounds/no-columns[index=3]", "DEPARTS"),
    ("torch-aotinductor", "embedding/bounds/no-columns[index=3]", "DEPARTS"),
    ("torch-func", "embedding_bag/scale_grad_by_freq/last-row-more-often[mode=sum]", "DEPARTS"),
    ("torch-dtensor-row", "embedding/bounds/too-large[index=4,index_dtype=int64]", "DEPARTS"),
    ("torchscript-script", "embedding/max_norm/keeps-direction", "DEPARTS"),
    ("torchscript-trace", "embedding_bag/per_sample_weights/transposed-shape", "DEPARTS"),
    ("jax-take", "embedding_bag/empty_bags/at-the-start[mode=mean]", "DEPARTS"),
    ("jax-take", "embedding/gradient/sums-by-row[dtype=bfloat16,index_dtype=int64]", "conforms"),
]


def script(case, backend="torch-eager"):
    """Print the script of a case."""
    ended = embcheck("reproduce", case, "-b", backend)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def run(text, tmp_path):
    """Run a script by itself."""
    (tmp_path / "script.py").write_text(text)
    return subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def imported(text):
    """Return the roots of what a script imports."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add(node.module)
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize(("backend", "case", "said"), SCRIPTS)
def test_a_script_shows_what_the_suite_saw(backend, case, said, tmp_path):
    """It imports the library and NumPy only, and its last line says whether the call departs."""
    text = script(case, backend)
    library = "jax" if backend.startswith("jax") else "torch"
    assert imported(text) <= {"numpy", library, "ml_dtypes", *sys.stdlib_module_names}
    ended = run(text, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].startswith(said)


def test_a_refusal_of_what_is_valid_ends_the_script(tmp_path):
    """The script raises what the suite saw, on rank 0, and rank 1 ends with it."""
    text = script("embedding/optimisers/sgd[sparse=True,dtype=float32]", "torch-dtensor-column")
    ended = run(text, tmp_path)
    assert ended.returncode == 1
    assert "does not have a sharding strategy registered" in ended.stderr


def test_a_crash_ends_the_script_as_well(tmp_path):
    """The script dies as the worker did, and its head says so beforehand."""
    text = script("embedding_bag/empty_bags/indices-without-bags")
    assert "Seen: crashed" in text
    assert run(text, tmp_path).returncode < 0


def test_the_head_names_versions_and_the_clause():
    """What a maintainer asks for first."""
    text = script("embedding_bag/include_last_offset/mean-ends-early")
    head = ast.get_docstring(ast.parse(text))
    assert "Documented (" in head
    assert "With torch 2.13.0" in head


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("embedding/lookup/pick-rows", "-b", "numpy-reference"), "did you mean"),
        (("embedding/lookup/many-rows[dtype=float32]", "-b", "no-such"), "there is no backend"),
        (
            ("embedding/lookup/many-rows[dtype=float32]", "-b", "numpy-reference"),
            "writes no scripts",
        ),
    ],
)
def test_what_cannot_be_written_is_said(arguments, words):
    """In a sentence, with exit code 2."""
    ended = embcheck("reproduce", *arguments)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
