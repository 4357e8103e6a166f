"""Compiled code is shared between workers, and files that a kill left incomplete are discarded."""

from __future__ import annotations

import _struct
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from embcheck.backends.on_torch.environment import HEADERS, environment, is_unfinished
from embcheck.conformance.execution import discovery
from embcheck.conformance.execution.processes.worker_cache import caches_below

WHOLE = Path(_struct.__file__) if hasattr(_struct, "__file__") else None


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Return the folder that workers use for temporary files."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def libraries(tmp_path):
    """Return a cache of libraries and precompiled headers: whole, cut in half, empty and fresh."""
    if WHOLE is None or WHOLE.read_bytes()[:4] != b"\x7fELF":
        pytest.skip("the interpreter has no ELF library of its own to take for one")
    folder = tmp_path / "inductor" / "ab"
    folder.mkdir(parents=True)
    data = WHOLE.read_bytes()
    contents = {
        "whole.so": data,
        "half.so": data[: len(data) // 2],
        "empty.so": b"",
        "fresh.so": b"",
        "whole.h.gch": b"gpch.014 and so on",
        "half.h.gch": b"gpcWrite and so on",
        "empty.h.gch": b"",
    }
    an_hour_ago = time.time() - 3600
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        if name != "fresh.so":
            os.utime(folder / name, (an_hour_ago, an_hour_ago))
    return folder


def test_what_was_cut_off_is_discarded(tmp_path, libraries):
    """Incomplete files are removed; complete and recently written ones stay."""
    variables = environment(tmp_path)
    assert Path(variables["TORCHINDUCTOR_CACHE_DIR"]).parent == libraries.parent
    kept = sorted(file.name for file in libraries.iterdir())
    assert kept == ["fresh.so", "whole.h.gch", "whole.so"]


def test_a_timing_keeps_everything_in_its_own_folder(tmp_path, monkeypatch):
    """A timing run has all compile caches in its own folder, so that its first calls compile."""
    variables = caches_below(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for backend in ("torch-compile", "jax-take", "keras-jax", "triton@cuda", "cupy@cuda"):
        declared = discovery.declared_environment(backend)
        assert any("CACHE_DIR" in name for name in declared)
        variables |= declared
    places = [Path(value) for value in variables.values() if "/" in value]
    assert len(places) == 6
    assert all(place.is_relative_to(tmp_path) for place in places)


def test_gcc_begins_a_precompiled_header_with_a_mark(tmp_path):
    """GCC writes the mark by which an unfinished precompiled header is recognised."""
    compiler = shutil.which("g++")
    if compiler is None or b"Free Software Foundation" not in _said(compiler, "--version"):
        pytest.skip("there is no GCC here")
    (tmp_path / "some.h").write_text("int number;\n")
    _said(compiler, "-x", "c++-header", str(tmp_path / "some.h"))
    assert not is_unfinished(tmp_path / "some.h.gch")
    driver = Path(_said(compiler, "-print-prog-name=cc1plus").decode().strip())
    assert b"gpcWrite" in driver.read_bytes()


def test_inductor_finds_the_headers_of_other_workers(tmp_path, scratch):
    """Inductor's folder for precompiled headers is shared between workers."""
    pytest.importorskip("torch")
    for _ in range(2):  # A worker that replaces another one uses the same folder.
        declared = environment(tmp_path)
    kernels = Path(declared["TORCHINDUCTOR_CACHE_DIR"])
    code = "from torch._inductor import codecache; print(codecache._HEADER_DIR)"
    variables = {**os.environ, **declared, "TMPDIR": str(scratch)}
    said = subprocess.check_output([sys.executable, "-c", code], env=variables, text=True)
    assert Path(said.strip()).resolve() == kernels / HEADERS
    (Path(said.strip()) / "some.h.gch").touch()
    assert (kernels / HEADERS / "some.h.gch").exists()


def test_where_nothing_can_be_kept_no_headers_are_shared(tmp_path, scratch):
    """If the cache folder cannot be used, workers start without shared headers."""
    (tmp_path / "file").touch()
    assert environment(tmp_path / "file")
    assert not list(scratch.iterdir())


def _said(*words):
    return subprocess.check_output(words)
