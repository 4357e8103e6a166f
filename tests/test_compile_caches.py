"""What a kill left of a library in the making is not believed by the next run."""

from __future__ import annotations

import _struct
import os
import time
from pathlib import Path

import pytest

from embcheck.conformance.execution import compile_caches

WHOLE = Path(_struct.__file__) if hasattr(_struct, "__file__") else None


@pytest.fixture
def libraries(tmp_path, monkeypatch):
    """Return a cache with a whole library, one cut in half, an empty one and a fresh empty one."""
    if WHOLE is None or WHOLE.read_bytes()[:4] != b"\x7fELF":
        pytest.skip("the interpreter has no ELF library of its own to take for one")
    monkeypatch.setenv("EMBCHECK_CACHE", str(tmp_path))
    folder = tmp_path / "inductor" / "ab"
    folder.mkdir(parents=True)
    data = WHOLE.read_bytes()
    contents = {"whole": data, "half": data[: len(data) // 2], "empty": b"", "fresh": b""}
    an_hour_ago = time.time() - 3600
    for name, content in contents.items():
        (folder / f"{name}.so").write_bytes(content)
        if name != "fresh":
            os.utime(folder / f"{name}.so", (an_hour_ago, an_hour_ago))
    return folder


def test_cut_off_libraries_are_discarded(libraries):
    """A whole one stays, and so does one that may be in the making."""
    variables = compile_caches.compile_caches()
    assert Path(variables["TORCHINDUCTOR_CACHE_DIR"]) == libraries.parent
    assert sorted(file.stem for file in libraries.iterdir()) == ["fresh", "whole"]


def test_without_a_cache_there_is_nothing_to_discard(tmp_path, monkeypatch):
    """The folder is made by the library, later."""
    monkeypatch.setenv("EMBCHECK_CACHE", str(tmp_path / "none"))
    assert compile_caches.compile_caches()
    assert not (tmp_path / "none").exists()


def test_a_timing_keeps_everything_in_its_own_folder(tmp_path):
    """So that its first calls are first ones, whatever was compiled before."""
    places = compile_caches.caches_below(tmp_path).values()
    assert {Path(place).parent for place in places if "/" in place} <= {tmp_path, tmp_path.parent}
