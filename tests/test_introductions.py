"""Backends' descriptions of themselves are cached, and checked, until something relevant changes.

`embcheck backends` asks eighty backends, each in a process of its own.
"""

from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner

from embcheck.cli.main import main
from embcheck.conformance.execution import introductions as kept
from embcheck.conformance.execution.introductions import Introduced, introductions
from embcheck.reports.terminal.backends import list_text

NAMES = ["numpy-reference", "zoo-unavailable", "zoo-dies-on-import"]


@pytest.fixture(scope="module")
def answers():
    """Return the descriptions of the three backends."""
    return {one.backend["id"]: one.backend for one in introductions(NAMES, refresh=True)}


@pytest.fixture
def asked(monkeypatch, tmp_path, answers):
    """Return the list of backends that are asked, with an empty cache and instant answers."""
    monkeypatch.setenv("EMBCHECK_CACHE", str(tmp_path / "cache"))
    names = []

    class Pool:
        def __init__(self, texts, timeout):
            self.names = [text.partition("=")[0] for text in texts]
            names.extend(self.names)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def describe(self, name):
            return answers[name]

    monkeypatch.setattr(kept, "started_pool", Pool)
    return names


def entry_of(name):
    """Return the file of a backend's cache entry."""
    return kept._place(name)


def test_only_broken_backends_are_asked_again(asked, answers):
    """A second list asks only broken backends again, since they may work the next time."""
    first = introductions(NAMES)
    assert asked == NAMES
    assert all(one.kept is None for one in first)
    del asked[:]
    second = introductions(NAMES)
    assert asked == ["zoo-dies-on-import"]
    assert [one.backend for one in second] == [one.backend for one in first] == [*answers.values()]
    assert [one.kept is not None for one in second] == [True, True, False]
    del asked[:]
    introductions(NAMES, refresh=True)
    assert asked == NAMES


CHANGES = {
    "a variable of the environment": lambda patch, _: patch.setenv("CUDA_VISIBLE_DEVICES", "0"),
    "an installed distribution": lambda patch, path: patch.syspath_prepend(path),
    "a compiler": lambda _, path: (path / "clang").touch(),
    "a device": lambda patch, _: patch.setattr(kept, "_devices", lambda: iter(["nvidia0"])),
    "embcheck": lambda patch, _: patch.setattr(kept, "version", lambda _: "0.2.0"),
    "the source": lambda patch, _: patch.setattr(kept, "_source", lambda _: "other"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_decides_the_answer_makes_it_old(what, asked, monkeypatch, tmp_path):
    """A change of environment, packages, devices, embcheck or source invalidates the cache."""
    (tmp_path / "new" / "torch-3.0.dist-info").mkdir(parents=True)
    os.utime(tmp_path / "new", (0, 0))
    monkeypatch.setenv("PATH", str(tmp_path / "new"), prepend=":")
    introductions(NAMES[:1])
    CHANGES[what](monkeypatch, tmp_path / "new")
    introductions(NAMES[:1])
    assert asked == [NAMES[0]] * 2


def test_another_terminal_changes_nothing(asked, monkeypatch, tmp_path):
    """Another size of the terminal, or another current folder, does not invalidate the cache."""
    introductions(NAMES[:1])
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.chdir(tmp_path)
    introductions(NAMES[:1])
    assert asked == NAMES[:1]


def test_what_has_a_label_of_its_own_is_not_kept():
    """A backend with a label is not cached, since it may belong to another interpreter."""
    state = kept._State()
    (address,) = kept.parse_addresses(["mine=numpy-reference"])
    assert state.of(address) is None


def _changed(data, **fields):
    return json.dumps({**json.loads(data), **fields}).encode()


def _with(**fields):
    return lambda data: _changed(data, entry={**json.loads(data)["entry"], **fields})


FORGED = {
    "is empty": lambda _: b"",
    "is a list": lambda _: b"[]",
    "is nested deeply": lambda _: b"[" * 100_000,
    "is huge": lambda data: b" " * kept.MOST_BYTES + data,
    "is of another state": lambda data: _changed(data, state="0" * 64),
    "has no day": lambda data: _changed(data, asked="yesterday"),
    "calls itself otherwise": _with(id="torch-eager"),
    "has a version that is none": _with(version=[1]),
    "has an unknown capability": _with(capabilities=["all"]),
    "took no number of seconds": _with(import_seconds=float("nan")),
    "has more than an info": _with(more=1),
    "is no entry": lambda data: _changed(data, entry=3),
    "gives a number as a reason": lambda data: _changed(
        data, entry={"id": NAMES[0], "unavailable": 7}
    ),
}


@pytest.mark.parametrize("how", FORGED)
def test_a_damaged_entry_is_asked_again(how, asked, answers):
    """A backend with an invalid cache entry is asked again."""
    introductions(NAMES[:1])
    entry = entry_of(NAMES[0])
    entry.write_bytes(FORGED[how](entry.read_bytes()))
    (one,) = introductions(NAMES[:1])
    assert asked == [NAMES[0]] * 2
    assert one == Introduced(answers[NAMES[0]])


@pytest.mark.parametrize("how", ["a link", "others' to write", "a pipe"])
def test_an_entry_that_is_not_ours_is_not_read(how, asked, tmp_path):
    """A cache entry that others could have written is not read."""
    introductions(NAMES[:1])
    entry = entry_of(NAMES[0])
    if how == "a link":
        entry.rename(tmp_path / "moved")
        entry.symlink_to(tmp_path / "moved")
    elif how == "a pipe":
        entry.unlink()
        os.mkfifo(entry)
    else:
        entry.chmod(0o666)
    introductions(NAMES[:1])
    assert asked == [NAMES[0]] * 2


def test_those_that_run_here_come_first_and_the_others_by_what_brings_them(answers):
    """Available backends come first; the others are grouped by the extra that installs them."""
    gone = "pip install 'embcheck[openvino]'"
    entries = [
        {"id": "b-two", "unavailable": f"openvino is not installed: {gone}"},
        {"id": "a@cuda", "unavailable": "torch 2.13.0 finds no CUDA device"},
        {**answers["numpy-reference"], "id": "c"},
        {"id": "b-one", "unavailable": f"openvino is not installed: {gone}"},
        {"id": "d", "broken": "it died"},
    ]
    lines = list_text(entries).splitlines()
    assert lines[0] == "c"
    assert lines[-5:] == [
        "Not here, 3 backends",
        f"  {gone}: b-two, b-one",
        "  torch 2.13.0 finds no CUDA device: a@cuda",
        "d",
        "    broken: it died",
    ]


def test_hostile_names_and_reasons_stay_within_80_columns(answers):
    """Hostile names and reasons are escaped and stay within 80 columns."""
    bad = "\x1b[2J\u202e\nbroken: no " + "x" * 900
    info = {**answers["numpy-reference"], "id": bad, "library": bad, "version": bad, "device": bad}
    entries = [info, {"id": bad, "unavailable": bad}, {"id": bad, "broken": bad}]
    text = list_text(entries)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not any(line.startswith("broken") for line in text.splitlines())


def test_the_command_says_what_is_kept(asked):
    """The command says on standard error how many answers come from the cache."""
    CliRunner().invoke(main, ["backends", "numpy-reference"])
    done = CliRunner().invoke(main, ["backends", "numpy-reference", "--json"])
    assert json.loads(done.stdout)[0]["id"] == "numpy-reference"
    assert "1 answer kept from 2" in done.stderr
    assert "--refresh" in done.stderr
    CliRunner().invoke(main, ["backends", "numpy-reference", "--refresh"])
    assert asked == ["numpy-reference"] * 2
