"""The architecture's import rules: cli -> reports -> conformance <- backends."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
INSIDE = "embcheck.conformance.execution.inside"
ALLOWED = {
    "conformance": {"conformance"},
    "backends": {"backends", "conformance.contract"},
    "reports": {"reports", "conformance"},
    "cli": {"cli", "reports", "conformance"},
}
TIMING = ("statistics", "workloads", "clock", "verdicts", "runs")
"""The timing packages; each may import only those before it."""

ROOMS = {
    "inside": {"discovery", "processor", "protocol", "same"},
    "judging": {"discovery", "protocol", "same"},
    "processes": {"discovery", "protocol"},
    "protocol": set(),
}
"""The subpackages of `execution`, and which modules of it each may import besides itself."""

SHOWS = ("page", "terminal")
"""The subpackages of `reports` that render what its other modules find out."""

PROCESSES_OF_THEIR_OWN = {"conformance/reproduction/runner.py"}
"""Files outside `inside` that may import it, because they run in a process with a library."""

LIBRARIES_OF = {
    "reference": set(),
    "composed": {"cupy", "cupyx", "mlx", "numba", "scipy", "tinygrad"},
    "on_torch": {"torch", "torchao", "bitsandbytes"},
    "on_jax": {"jax", "flax", "equinox", "optax"},
    "on_onnx": {"torch", "onnx", "onnxruntime", "onnxscript"},
    "on_openvino": {"torch", "openvino", "nncf"},
    "on_tensorflow": {"tensorflow", "ai_edge_litert"},
    "on_keras": {"keras", "jax", "openvino", "tensorflow", "torch"},
    "on_paddle": {"paddle"},
    "on_fbgemm": {"torch", "fbgemm_gpu", "torchrec"},
    "on_triton": {"torch", "triton"},
    "recipes": {
        *("jax", "keras", "mlx", "onnx", "onnxruntime", "onnxscript", "openvino", "paddle"),
        *("scipy", "tensorflow", "tinygrad", "torch"),
    },
}
"""The families of backends, and the libraries that each may import."""

FAMILIES_BELOW = {
    "on_onnx": {"on_torch"},
    "on_openvino": {"on_torch"},
    "on_fbgemm": {"on_torch"},
    "on_triton": {"on_torch"},
    "on_keras": {"on_jax"},
    "recipes": {
        *("on_jax", "on_keras", "on_onnx", "on_openvino", "on_paddle", "on_tensorflow"),
        *("on_torch", "reference"),
    },
}
"""The families that a family builds on, beside `composed`."""

ONE_LIBRARY_A_FILE = ("cupy", "mlx", "numba", "scipy", "tinygrad")
"""The libraries that share the folder `composed`, where file names begin with the library's
name."""

ARRAY_LIBRARIES = {*set().union(*LIBRARIES_OF.values()), "jaxlib", "pandas"}


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, at its top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def files(folder: str) -> list[Path]:
    """Return the Python files below one of the project's folders."""
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("folder", list(ALLOWED))
def test_imports_follow_the_arrows(folder):
    """Each top-level package imports only the packages it is allowed to."""
    for path in files(folder):
        for name in imported(path):
            if name.startswith("embcheck."):
                own = name.removeprefix("embcheck.")
                allowed = ALLOWED[folder]
                assert any(own == a or own.startswith(f"{a}.") for a in allowed), (path, name)


@pytest.mark.parametrize("package", TIMING)
def test_packages_of_timings_are_in_layers(package):
    """No timing package imports a later one."""
    later = TIMING[TIMING.index(package) + 1 :]
    for path in files(f"conformance/timing/{package}"):
        for name in imported(path):
            assert not name.startswith(tuple(f"embcheck.conformance.timing.{a}" for a in later))


@pytest.mark.parametrize("room", list(ROOMS))
def test_rooms_of_execution_know_little_of_the_rest(room):
    """Each subpackage of `execution` imports only the modules listed for it."""
    for path in files(f"conformance/execution/{room}"):
        for name in imported(path):
            if name.startswith("embcheck.conformance.execution."):
                assert name.split(".")[3] in {room, *ROOMS[room]}, (path, name)


@pytest.mark.parametrize("room", SHOWS)
def test_what_reports_find_out_does_not_depend_on_how_it_is_shown(room):
    """No module of `reports` imports `page` or `terminal`, and these do not import each other."""
    other = SHOWS[1 - SHOWS.index(room)]
    for path in [*(ROOT / "reports").glob("*.py"), *files(f"reports/{other}")]:
        reaches = {name for name in imported(path) if name.startswith(f"embcheck.reports.{room}.")}
        assert not reaches, path


def test_the_harness_does_not_import_what_runs_in_workers():
    """Only code that runs in worker processes imports `inside`."""
    inside = ROOT / "conformance/execution/inside"
    for path in (path for folder in ALLOWED for path in files(folder)):
        if not path.is_relative_to(inside):
            is_other = path.relative_to(ROOT).as_posix() in PROCESSES_OF_THEIR_OWN
            reaches = any(f"{n}.".startswith(f"{INSIDE}.") for n in imported(path))
            assert reaches <= is_other, path


def test_the_harness_imports_no_array_library_but_numpy():
    """The harness imports no array library but NumPy, and SciPy only for the timing statistics."""
    for path in files("conformance"):
        roots = {name.split(".")[0] for name in imported(path)}
        is_statistics = path.parent == ROOT / "conformance" / "timing" / "statistics"
        assert roots & ARRAY_LIBRARIES <= ({"scipy"} if is_statistics else set()), path


@pytest.mark.parametrize("family", list(LIBRARIES_OF))
def test_each_family_imports_its_own_libraries_only(family):
    """Each family of backends imports only the libraries listed for it."""
    for path in files(f"backends/{family}"):
        roots = {name.split(".")[0] for name in imported(path)}
        assert roots & ARRAY_LIBRARIES <= LIBRARIES_OF[family], path
        if family == "composed":
            others = {name for name in ONE_LIBRARY_A_FILE if not path.name.startswith(name)}
            assert not roots & others, path


@pytest.mark.parametrize("family", list(LIBRARIES_OF))
def test_families_build_on_few_others(family):
    """Each family of backends imports only `composed` and the families listed for it."""
    allowed = {family, "composed", *FAMILIES_BELOW.get(family, ())}
    for path in files(f"backends/{family}"):
        for name in imported(path):
            if name.startswith("embcheck.backends."):
                assert name.split(".")[2] in allowed, (path, name)


def test_each_backend_lies_in_a_family():
    """Each folder of `backends` is a listed family, and no modules lie beside them."""
    folders = {
        path.name for path in (ROOT / "backends").iterdir() if (path / "__init__.py").exists()
    }
    assert folders == LIBRARIES_OF.keys()
    assert {path.stem for path in (ROOT / "backends").glob("*.py")} == {"__init__"}


def test_nobody_imports_the_command_line():
    """No other package imports `cli`."""
    for folder in ("conformance", "backends", "reports"):
        for path in files(folder):
            assert not any(name.startswith("embcheck.cli") for name in imported(path)), path


def test_no_file_or_folder_of_backends_is_named_like_a_library():
    """No file or folder of `backends` is named like a library.

    A script run from that folder would import it in place of the library.
    """
    names = {path.stem for path in files("backends")}
    names |= {path.name for path in (ROOT / "backends").rglob("*") if path.is_dir()}
    assert not names & (ARRAY_LIBRARIES | {"numpy"} | sys.stdlib_module_names)


def test_each_folder_is_described():
    """The list of folders in docs/architecture.md matches the folders of the five packages."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    listed = text.partition("## Folders")[2].partition("```\n")[2].partition("```")[0]
    named = set(re.findall(r"\b(\w+)/", listed)) - {"tests"}
    folders = {
        parent.name
        for package in (*ALLOWED, "specs")
        for path in (ROOT / package).rglob("*.*")
        for parent in path.parents
        if "__pycache__" not in path.parts and parent.is_relative_to(ROOT / package)
    }
    assert named == folders


def test_files_stay_readable():
    """No module of the package is over 400 lines, and no adapter over 200."""
    for folder in ALLOWED:
        for path in files(folder):
            limit = 200 if folder == "backends" else 400
            assert len(path.read_text().splitlines()) <= limit, path
