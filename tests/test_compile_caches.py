"""What libraries compiled is found by later workers, and what a kill left of it is not believed."""

from __future__ import annotations

import _struct
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from embcheck.conformance.execution import compile_caches
from embcheck.conformance.execution.scratch import HEADERS, make_scratch

WHOLE = Path(_struct.__file__) if hasattr(_struct, "__file__") else None


@pytest.fixture
def libraries(tmp_path, monkeypatch):
    """Return a cache of libraries and precompiled headers: whole, cut in half, empty and fresh."""
    if WHOLE is None or WHOLE.read_bytes()[:4] != b"\x7fELF":
        pytest.skip("the interpreter has no ELF library of its own to take for one")
    monkeypatch.setenv("EMBCHECK_CACHE", str(tmp_path))
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


def test_what_was_cut_off_is_discarded(libraries):
    """A whole one stays, and so does one that may be in the making."""
    variables = compile_caches.compile_caches()
    assert Path(variables["TORCHINDUCTOR_CACHE_DIR"]).parent == libraries.parent
    kept = sorted(file.name for file in libraries.iterdir())
    assert kept == ["fresh.so", "whole.h.gch", "whole.so"]


def test_without_a_cache_there_is_nothing_to_discard(tmp_path, monkeypatch):
    """The folder is made by the library, later."""
    monkeypatch.setenv("EMBCHECK_CACHE", str(tmp_path / "none"))
    assert compile_caches.compile_caches()
    assert not (tmp_path / "none").exists()


def test_a_timing_keeps_everything_in_its_own_folder(tmp_path):
    """So that its first calls are first ones, whatever was compiled before."""
    places = compile_caches.caches_below(tmp_path).values()
    assert {Path(place).parent for place in places if "/" in place} <= {tmp_path, tmp_path.parent}


def test_gcc_begins_a_precompiled_header_with_a_mark(tmp_path):
    """It is the one by which an unfinished header is known."""
    compiler = shutil.which("g++")
    if compiler is None or b"Free Software Foundation" not in _said(compiler, "--version"):
        pytest.skip("there is no GCC here")
    (tmp_path / "some.h").write_text("int number;\n")
    _said(compiler, "-x", "c++-header", str(tmp_path / "some.h"))
    assert not compile_caches.is_unfinished(tmp_path / "some.h.gch")
    driver = Path(_said(compiler, "-print-prog-name=cc1plus").decode().strip())
    assert b"gpcWrite" in driver.read_bytes()


def test_inductor_finds_the_headers_of_other_workers(tmp_path):
    """The folder that it has for them, with a worker's temporary files, is the shared one."""
    pytest.importorskip("torch")
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "inductor")}
    with make_scratch(environment) as scratch:
        code = "from torch._inductor import codecache; print(codecache._HEADER_DIR)"
        environment["TMPDIR"] = scratch
        said = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
        assert Path(said.strip()).resolve() == tmp_path / "inductor" / HEADERS
        (Path(said.strip()) / "some.h.gch").touch()
    assert (tmp_path / "inductor" / HEADERS / "some.h.gch").exists()


def test_where_nothing_can_be_kept_no_headers_are_shared(tmp_path):
    """A worker starts all the same, of whatever backend."""
    (tmp_path / "file").touch()
    with make_scratch({"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "file" / "inductor")}) as scratch:
        assert not list(Path(scratch).iterdir())


def _said(*words):
    return subprocess.check_output(words)
