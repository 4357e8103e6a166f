"""Cache entries are used only if embcheck's own list, or the file's owner and mode, vouch for them.

An entry of parsed specs decides verdicts, and an exporter's entry is code.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
import re
import sys

import pytest
from click.testing import CliRunner
from commands import SMALL

from embcheck.cli.main import main
from embcheck.conformance.contract import export_cache
from embcheck.conformance.contract.cache import cache_folder, cache_place, why_not_ours
from embcheck.conformance.suite import parsed
from embcheck.conformance.suite.load import load_clauses, load_spec, suite_root
from embcheck.conformance.suite.parsed import parsed_once

SHIPPED = suite_root() / "one_hot" / "everyday.yaml"
NOBODY = 65534


class Runs:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, place):
        self.place = str(place)

    def __reduce__(self):
        return os.mkdir, (self.place,)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """Return the path of an empty cache."""
    monkeypatch.setenv("EMBCHECK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def parse():
    """Return a function that parses a spec without a cache."""
    clauses = load_clauses(sorted((suite_root() / "clauses").glob("*.yaml")))
    return lambda path: load_spec(path, clauses)


@pytest.fixture
def entry(cache, parse):
    """Return the file of a valid cache entry."""
    parsed_once(SHIPPED, suite_root(), parse)
    (file,) = (cache / "parsed-specs").iterdir()
    assert parsed_once(SHIPPED, suite_root(), _never).cases
    return file


def _never(path):
    raise AssertionError(f"{path} was parsed, although a good entry is there")


def _lie(data):
    """Return an entry with all digests changed, so that other outputs are expected."""
    changed = re.sub(rb'"([0-9a-f]{16,})"', lambda m: b'"' + b"7" * len(m[1]) + b'"', data)
    assert changed != data
    return changed


def _other_place(data):
    return data.replace(b"everyday.yaml:", b"everyday.yaml:1")


FORGED = {
    "expects something else": _lie,
    "names another place": _other_place,
    "is cut": lambda data: data[:-9],
    "has one bit changed": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "is empty": lambda _: b"",
    "has no cases": lambda data: json.dumps(
        {**json.loads(data.split(b"\n")[0]), "cases": []}
    ).encode(),
    "is not UTF-8": lambda _: b"\xff\xfe" * 100,
    "is nested deeply": lambda _: b"[" * 100_000,
    "has a long number": lambda _: b"9" * 5000,
    "goes on": lambda data: data + b"\n{}",
    "is a pickle": lambda _: pickle.dumps("text"),
}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_entry_is_passed_over(entry, parse, how):
    """A forged entry is ignored and replaced, although its place and owner are right."""
    good = entry.read_bytes()
    entry.write_bytes(FORGED[how](good))
    spec = parsed_once(SHIPPED, suite_root(), parse)
    assert [case.description for case in spec.cases] == [
        case.description for case in parse(SHIPPED).cases
    ]
    assert entry.read_bytes() == good


@pytest.mark.parametrize("kind", ["pipe", "folder", "endless device", "loop", "sparse", "socket"])
def test_what_is_no_entry_is_not_waited_for(entry, parse, kind):
    """A pipe, folder, device, link or socket in an entry's place is ignored without waiting."""
    entry.unlink()
    if kind == "pipe":
        os.mkfifo(entry)
    elif kind == "folder":
        (entry / "inside").mkdir(parents=True)
    elif kind == "sparse":
        with entry.open("wb") as file:
            file.truncate(1 << 40)
    elif kind == "socket":
        os.mknod(entry, 0o140600)
    else:
        entry.symlink_to("/dev/zero" if kind == "endless device" else entry)
    assert parsed_once(SHIPPED, suite_root(), parse).cases


@pytest.mark.parametrize("place", ["parsed-specs", "specs"])
def test_no_entry_runs_code(cache, parse, tmp_path, place):
    """No pickle in the cache is loaded, under current names or those of older versions."""
    parsed_once(SHIPPED, suite_root(), parse)
    names = {file.name for file in (cache / "parsed-specs").iterdir()}
    names |= {parsed.hashlib.sha256(bytes(SHIPPED.resolve())).hexdigest()[:24]}
    (cache / place).mkdir(exist_ok=True)
    stored = pickle.dumps(Runs(tmp_path / "ran"))
    for name in names:
        for head in (b"", parsed.hashlib.sha256(stored).digest()):
            (cache / place / name).write_bytes(head + stored)
            parsed_once(SHIPPED, suite_root(), parse)
    assert not (tmp_path / "ran").exists()
    pickle.loads(stored)
    assert (tmp_path / "ran").exists()


def test_the_harness_imports_no_pickle_to_read_a_cache():
    """The modules that read the cache import nothing that turns bytes into code."""
    for module in (parsed, sys.modules[parsed.from_text.__module__]):
        assert not {"pickle", "marshal", "shelve", "dill"} & vars(module).keys()


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o1777])
@pytest.mark.parametrize("which", ["cache", "cache/onnx"])
def test_a_folder_that_others_can_write_to_is_not_used(cache, tmp_path, mode, which):
    """A cache folder that others can write to is not used, and the reason names it."""
    folder = tmp_path / which
    folder.mkdir(parents=True)
    folder.chmod(mode)
    assert not cache_folder("onnx").is_relative_to(cache)
    assert str(folder) in why_not_ours(cache / "onnx")
    folder.chmod(0o755)
    assert cache_folder("onnx") == cache / "onnx"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("which", ["cache", "cache/numba"])
def test_another_users_folder_is_not_used(cache, tmp_path, which):
    """A cache folder of another user is not used."""
    folder = tmp_path / which
    folder.mkdir(parents=True)
    os.chown(folder, NOBODY, NOBODY)
    assert not cache_folder("numba").is_relative_to(cache)
    assert f"belongs to user {NOBODY}" in why_not_ours(cache / "numba")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_group_of_others_is_others(cache):
    """A folder that a group can write to is used only if it is the user's own group."""
    cache.mkdir()
    cache.chmod(0o775)
    assert why_not_ours(cache) is None
    os.chown(cache, -1, NOBODY)
    assert "others can write" in why_not_ours(cache)


@pytest.mark.parametrize("change", ["mode", "owner", "link", "pipe", "folder"])
def test_an_exporters_entry_of_others_is_not_loaded(tmp_path, change):
    """An exporter's entry that others could have written is not loaded.

    Its name is the digest of its bytes, which anybody can compute.
    """
    key, data = export_cache.key_of("some", "configuration"), b"code"
    export_cache.store(tmp_path, key, data)
    (entry,) = tmp_path.glob(f"{key}-*")
    assert export_cache.load(tmp_path, key) == data
    if change == "mode":
        entry.chmod(0o666)
    elif change == "owner":
        if os.geteuid() != 0:
            pytest.skip("only root can give a file away")
        os.chown(entry, NOBODY, NOBODY)
    elif change == "link":
        entry.rename(tmp_path / "elsewhere")
        entry.symlink_to(tmp_path / "elsewhere")
    else:
        entry.unlink()
        os.mkfifo(entry) if change == "pipe" else entry.mkdir()
    assert export_cache.load(tmp_path, key) is None


def test_a_run_says_once_that_nothing_is_kept(cache, tmp_path):
    """A run with an unusable cache says so once and gives the same results."""
    cache.mkdir()
    cache.chmod(0o777)
    arguments = ["run", "-b", "numpy-reference", "--specs", SMALL, "--out", tmp_path / "out"]
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    said = [line for line in done.stderr.splitlines() if str(cache) in line]
    assert said == [f"embcheck: the backends' cache is not used: others can write to {cache}"]


@pytest.mark.usefixtures("cache")
def test_a_full_disk_only_costs_time(parse, monkeypatch):
    """On a full disk, parsing succeeds and leaves no entry."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.replace", full)
    assert parsed_once(SHIPPED, suite_root(), parse).cases
    assert list((cache_place() / "parsed-specs").iterdir()) == []
