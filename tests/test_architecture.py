"""The import arrows: cli -> reports -> conformance <- backends."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "conformance": {"conformance"},
    "backends": {"backends", "conformance.contract"},
    "reports": {"reports", "conformance"},
    "cli": {"cli", "reports", "conformance"},
}
TIMING = ("statistics", "workloads", "clock", "verdicts", "runs")
"""The packages of timings, each of which imports only those before it."""

ADAPTERS_OF = {
    "ai_edge_litert": ("litert_",),
    "cupy": ("cupy_",),
    "cupyx": ("cupy_",),
    "fbgemm_gpu": ("fbgemm_",),
    "jax": ("jax_", "flax_", "equinox_", "keras_jax"),
    "keras": ("keras_",),
    "mlx": ("mlx_",),
    "numba": ("numba_",),
    "onnx": ("onnx_", "onnxruntime_"),
    "onnxruntime": ("onnxruntime_",),
    "openvino": ("openvino_", "keras_openvino"),
    "paddle": ("paddle_",),
    "scipy": ("scipy_",),
    "tensorflow": ("tensorflow_", "litert_", "keras_tensorflow"),
    "tinygrad": ("tinygrad_",),
    "torchrec": ("torchrec_",),
    "triton": ("triton_",),
}
"""How the files that may import a library are named."""

ARRAY_LIBRARIES = {*ADAPTERS_OF, "torch", "jaxlib", "pandas"}


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, at its top and inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def files(folder: str) -> list[Path]:
    """Return the Python files of one of the project's folders."""
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("folder", list(ALLOWED))
def test_imports_follow_the_arrows(folder):
    """Each folder imports only what its place allows."""
    for path in files(folder):
        for name in imported(path):
            if name.startswith("embcheck."):
                own = name.removeprefix("embcheck.")
                allowed = ALLOWED[folder]
                assert any(own == a or own.startswith(f"{a}.") for a in allowed), (path, name)


@pytest.mark.parametrize("package", TIMING)
def test_packages_of_timings_are_in_layers(package):
    """A later one is never imported by an earlier one."""
    later = TIMING[TIMING.index(package) + 1 :]
    for path in files(f"conformance/timing/{package}"):
        for name in imported(path):
            assert not name.startswith(tuple(f"embcheck.conformance.timing.{a}" for a in later))


def test_the_harness_imports_no_array_library_but_numpy():
    """The harness runs where only NumPy is installed."""
    for path in files("conformance"):
        roots = {name.split(".")[0] for name in imported(path)}
        assert not roots & ARRAY_LIBRARIES, path


def test_each_library_is_imported_by_its_adapters_only():
    """JAX stands in files that are named after it, and so on."""
    for path in files("backends"):
        roots = {name.split(".")[0] for name in imported(path)}
        for library, names in ADAPTERS_OF.items():
            assert library not in roots or path.name.startswith(names), path


def test_nobody_imports_the_command_line():
    """`cli` is the end of the arrows."""
    for folder in ("conformance", "backends", "reports"):
        for path in files(folder):
            assert not any(name.startswith("embcheck.cli") for name in imported(path)), path


def test_no_adapter_is_named_like_its_library():
    """A file `torch.py` would shadow the library it adapts."""
    assert not {path.stem for path in files("backends")} & (ARRAY_LIBRARIES | {"numpy"})


def test_files_stay_readable():
    """No module of the package is over 400 lines, no adapter over 200."""
    for folder in ALLOWED:
        for path in files(folder):
            limit = 200 if folder == "backends" else 400
            assert len(path.read_text().splitlines()) <= limit, path
