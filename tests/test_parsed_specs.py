"""Parsed specs are cached, and parsed again after any relevant change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from embcheck.conformance.contract.cache import cache_place
from embcheck.conformance.suite.entry import _KINDS, from_text, to_text
from embcheck.conformance.suite.listing import listing
from embcheck.conformance.suite.load import load_clauses, load_spec, suite_root
from embcheck.conformance.suite.model import Case
from embcheck.conformance.suite.parsed import LIST, parsed_once

SHIPPED = suite_root() / "one_hot" / "everyday.yaml"
MIXED = (
    "sizes/bag_options.yaml",
    "torch_only/lookup.yaml",
    "pretrained/real_table.yaml",
    "atlas/bad_index.yaml",
    "embedding/combinations.yaml",
)
"""Specs that together have all kinds of inputs and expectations."""


@pytest.fixture
def parser(monkeypatch, tmp_path):
    """Return a parser that counts its calls, with an empty cache."""
    monkeypatch.setenv("EMBCHECK_CACHE", str(tmp_path / "cache"))
    clauses = load_clauses(sorted((suite_root() / "clauses").glob("*.yaml")))

    class Parser:
        calls = 0

        def __call__(self, path):
            self.calls += 1
            return load_spec(path, clauses)

    return Parser()


def entries():
    """Return the files of the cache."""
    return [*(cache_place() / "parsed-specs").iterdir()]


def plain(value, seen):
    """Return a value in a form that can be compared, with dtypes, array flags and tuples.

    The types of its dataclasses are added to `seen`.
    """
    if is_dataclass(value):
        seen.add(type(value))
        own = {field.name: plain(getattr(value, field.name), seen) for field in fields(value)}
        return isinstance(value, Case) and plain(value.description, seen), own
    if isinstance(value, np.ndarray):
        flags = value.flags.writeable, value.flags.c_contiguous, value.size and value.strides
        return str(value.dtype), value.shape, flags, value.tobytes()
    if isinstance(value, Mapping):
        return {key: plain(entry, seen) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [isinstance(value, tuple), *(plain(entry, seen) for entry in value)]
    return repr(value)


def test_a_spec_is_parsed_once(parser):
    """The second time, the same cases come from the cache."""
    first, again = (parsed_once(SHIPPED, suite_root(), parser) for _ in range(2))
    assert parser.calls == 1
    assert first is not again
    assert plain(first, set()) == plain(again, set())


def test_specs_come_back_from_text():
    """Writing and reading a spec keeps all its arrays, expectations and tolerances."""
    clauses = load_clauses(sorted((suite_root() / "clauses").glob("*.yaml")))
    seen = set()
    for path in MIXED:
        spec = load_spec(suite_root() / path, clauses)
        assert plain(from_text(to_text(spec)), seen) == plain(spec, seen), path
    assert seen >= _KINDS.keys()


def test_the_list_is_of_these_specs():
    """specs/parsed.json is what `python -m embcheck.conformance.suite.listing` prints."""
    assert (suite_root() / LIST).read_text("utf-8") == listing()


@pytest.mark.parametrize("changed", ["one_hot/everyday.yaml", "clauses", "schema.json", LIST])
def test_a_change_is_noticed(parser, tmp_path, changed):
    """After a change of the file, clauses, schema or list, the old entry is not used."""
    root = tmp_path / "specs"
    shutil.copytree(suite_root(), root)
    path = root / "one_hot" / "everyday.yaml"
    parsed_once(SHIPPED, suite_root(), parser)
    file = root / changed if "." in changed else next((root / changed).iterdir())
    text = file.read_text("utf-8")
    file.write_text("{}" if changed == LIST else f"{text}\n", "utf-8")
    for calls in (2, 3):
        assert parsed_once(path, root, parser).cases
        assert parser.calls == calls
    assert len(entries()) == 1


def test_a_cache_that_cannot_be_written_to_only_costs_time(parser, monkeypatch, tmp_path):
    """If the cache cannot be written, specs are parsed each time."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMBCHECK_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        assert parsed_once(SHIPPED, suite_root(), parser).cases
    assert parser.calls == 2


def test_an_entry_is_written_at_once(parser, monkeypatch):
    """An entry whose writing fails is not left incomplete."""

    def full(*_):
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", full)
        parsed_once(SHIPPED, suite_root(), parser)
    assert entries() == []
