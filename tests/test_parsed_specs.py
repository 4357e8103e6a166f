"""What a spec said is remembered, and never believed once anything about it has changed."""

from __future__ import annotations

import pickle

import pytest

from embcheck.conformance.contract.cache import cache_folder
from embcheck.conformance.suite.load import load_clauses, load_spec, suite_root
from embcheck.conformance.suite.parsed import parsed_once

SHIPPED = suite_root() / "one_hot" / "everyday.yaml"


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
    return [*cache_folder("specs").iterdir()]


def test_a_spec_is_parsed_once(parser):
    """The second time, the same cases come without parsing."""
    first, again = (parsed_once(SHIPPED, suite_root(), parser) for _ in range(2))
    assert parser.calls == 1
    assert pickle.dumps(first) == pickle.dumps(again)


def test_a_changed_file_is_parsed_again(parser, tmp_path):
    """An entry of what the file said before is replaced, not kept beside the new one."""
    file = tmp_path / "one_hot" / "everyday.yaml"
    file.parent.mkdir()
    text = SHIPPED.read_text("utf-8")
    for round_, content in enumerate((text, text + "# changed\n"), start=1):
        file.write_text(content, "utf-8")
        parsed_once(file, suite_root(), parser)
        assert parser.calls == round_
    assert len(entries()) == 1


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "foreign"])
def test_a_damaged_entry_is_not_believed(parser, damage):
    """Bytes that do not fit their digest are parsed anew, and never unpickled."""
    parsed_once(SHIPPED, suite_root(), parser)
    (entry,) = entries()
    data = entry.read_bytes()
    flipped = data[:-1] + bytes([data[-1] ^ 1])
    foreign = data[:32] + pickle.dumps("something else")
    entry.write_bytes(
        {"flipped": flipped, "cut": data[:-9], "empty": b"", "foreign": foreign}[damage]
    )
    assert parsed_once(SHIPPED, suite_root(), parser).cases
    assert parser.calls == 2
    assert entries()[0].read_bytes() == data


def test_a_cache_that_cannot_be_written_to_only_costs_time(parser, monkeypatch, tmp_path):
    """Where there is a file in the folder's place, the spec is parsed each time."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMBCHECK_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        assert parsed_once(SHIPPED, suite_root(), parser).cases
    assert parser.calls == 2
