"""Read YAML 1.2 text as plain data that knows the line and column of each value."""

from __future__ import annotations

import math
import stat
from collections.abc import Hashable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.nodes import ScalarNode

from embcheck.conformance.suite.problems import Problem, SpecError

MAX_BYTES = 512 * 1024
MAX_VALUES = 200_000
MAX_DEPTH = 60

Mark = tuple[int, int]
"""Line and column, counted from 1."""


class Map(dict[str, Any]):
    """A YAML mapping that knows its own place and the places of its keys and values."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.key_marks: dict[str, Mark] = {}
        self.value_marks: dict[str, Mark] = {}


class Seq(list[Any]):
    """A YAML sequence that knows its own place and the places of its items."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.value_marks: list[Mark] = []


def mark_of(tree: Any, path: Iterable[Hashable]) -> Mark:
    """Return the place of the value at a path of keys, or of its nearest known parent."""
    mark: Mark = getattr(tree, "mark", (1, 1))
    for step in path:
        try:
            mark = tree.value_marks[step]
            tree = tree[step]
        except (AttributeError, KeyError, IndexError, TypeError):
            return mark
    return mark


def read_yaml(path: Path, name: str | None = None) -> Map:
    """Read a YAML file whose top level is a mapping. Raise SpecError as `read_any_yaml` does."""
    tree, name = read_any_yaml(path, name), name or str(path)
    if not isinstance(tree, Map):
        _refuse(name, (1, 1), "the top level is not a mapping", "start with keys such as `cases:`")
    return tree


def read_any_yaml(path: Path, name: str | None = None) -> Any:
    """Read a YAML file; None if it is empty.

    Raise SpecError for a file that cannot be read, is not YAML in UTF-8, has more than 512 KiB or
    60 levels of nesting, or expands to more than 200,000 values. The error calls the file `name`,
    or by its path if that is None.
    """
    name = name or str(path)
    try:
        status = path.stat()
        size = status.st_size
        if not stat.S_ISREG(status.st_mode):  # A device or a pipe may have no end.
            _refuse(name, (1, 1), "is not a regular file", "name a file of text")
        if size > MAX_BYTES:
            _refuse(
                name,
                (1, 1),
                f"the file has {size:,} bytes, the limit is {MAX_BYTES:,}",
                "split it: one behaviour a file",
            )
        data = path.read_bytes()
    except OSError as error:
        _refuse(name, (1, 1), f"cannot be read: {error.strerror}", "check the path")
    try:
        return _Builder(data.decode("utf-8"), name).document()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        place = before.count("\n") + 1, len(before) - before.rfind("\n")
        _refuse(name, place, "is not UTF-8 text", "save it as UTF-8")
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(mark) if mark else (1, 1)
        _refuse(name, place, f"not YAML: {error.problem or error.context}", "correct the syntax")
    except (YAMLError, ValueError) as error:
        # ruamel.yaml gives no place for some errors, such as a control character.
        said = str(error).partition("\n")[0]
        _refuse(name, (1, 1), f"not YAML: {said}", "correct the syntax")


def _refuse(name: str, mark: Mark, what: str, remedy: str) -> NoReturn:
    raise SpecError([Problem(name, *mark, what, remedy)]) from None


_CORE = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float"))
"""The types of a plain scalar, besides text, in the core schema of YAML 1.2; it has no dates."""


@lru_cache(maxsize=50_000)
def _meaning(value: str, implicit: tuple[bool, bool]) -> Any:
    """Return the value of a scalar. Raise ValueError for a number that is too large.

    Cached, since a suite repeats a few scalars many times.
    """
    tag = _scalars().resolver.resolve(ScalarNode, value, implicit)
    if str(tag) not in _CORE:
        return value
    meaning = _scalars().constructor.construct_object(ScalarNode(tag, value))
    # 1e999 would become an infinity, although it was not written as one.
    if isinstance(meaning, float) and math.isinf(meaning) and "inf" not in value.lower():
        raise ValueError(f"{value[:30]} is beyond every floating number")
    return meaning


@lru_cache
def _scalars() -> YAML:
    """Return the object that resolves and constructs all scalars. It parses no documents."""
    return YAML(typ="safe")


def _place(mark: Any) -> Mark:
    return mark.line + 1, mark.column + 1


class _Builder:
    """Builds the tree from the parser's events.

    ruamel.yaml's own composer is not used: its compiled version crashes on deep nesting.
    """

    def __init__(self, text: str, name: str) -> None:
        self._events = YAML(typ="safe").parse(text)
        self._name = name
        self._values = 0
        self._anchors: dict[str, tuple[Any, int]] = {}

    def document(self) -> Any:
        """Build the only document; None if there is none."""
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), StreamEndEvent):
            return None
        tree = self._value(next(self._events), 0)
        next(self._events)  # the end of the document
        after = next(self._events)
        if not isinstance(after, StreamEndEvent):
            place = _place(after.start_mark)
            _refuse(self._name, place, "a second document begins", "make it a file of its own")
        return tree

    def _value(self, event: NodeEvent, depth: int) -> Any:
        place = _place(event.start_mark)
        if depth > MAX_DEPTH:
            _refuse(self._name, place, "nested too deeply", f"keep it under {MAX_DEPTH} levels")
        if isinstance(event, AliasEvent):
            return self._alias(event, place)
        tag = getattr(event, "tag", None)
        if tag is not None:
            what = f"the tag {tag} is not supported"
            _refuse(self._name, place, what, "write the value plainly, without a tag")
        before = self._values
        self._count(1, place)
        value: Any
        if isinstance(event, SequenceStartEvent):
            value = self._sequence(place, depth)
        elif isinstance(event, MappingStartEvent):
            value = self._mapping(place, depth)
        else:
            assert isinstance(event, ScalarEvent)  # noqa: S101  (YAML has three kinds of values)
            value = self._scalar(event, place)
        # Registered only when it is complete, so that no value can contain an alias of itself.
        if event.anchor is not None:
            self._anchors[event.anchor] = value, self._values - before
        return value

    def _count(self, values: int, place: Mark) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            _refuse(
                self._name,
                place,
                f"expands to more than {MAX_VALUES:,} values",
                "use fewer aliases, or a generator for large arrays",
            )

    def _alias(self, event: AliasEvent, place: Mark) -> Any:
        if event.anchor not in self._anchors:
            what = f"no finished value is named '&{event.anchor}'"
            _refuse(self._name, place, what, "name a value above, or write it out")
        # Counted as if it were written out, since ten lines of aliases can expand to billions.
        value, size = self._anchors[event.anchor]
        self._count(size, place)
        return value

    def _scalar(self, event: ScalarEvent, place: Mark) -> Any:
        try:
            return _meaning(event.value, event.implicit)
        except ValueError as error:  # such as a number of too many digits
            _refuse(self._name, place, f"not a number: {str(error)[:100]}", "write a smaller one")

    def _sequence(self, place: Mark, depth: int) -> Seq:
        result = Seq(place)
        while not isinstance(event := next(self._events), SequenceEndEvent):
            result.value_marks.append(_place(event.start_mark))
            result.append(self._value(event, depth + 1))
        return result

    def _mapping(self, place: Mark, depth: int) -> Map:
        result = Map(place)
        while not isinstance(event := next(self._events), MappingEndEvent):
            key_place = _place(event.start_mark)
            key = self._key(event, key_place, depth)
            if key in result:
                what = f"the key '{key}' stands twice"
                _refuse(self._name, key_place, what, "remove one of them")
            event = next(self._events)
            result.key_marks[key] = key_place
            result.value_marks[key] = _place(event.start_mark)
            result[key] = self._value(event, depth + 1)
        return result

    def _key(self, event: NodeEvent, place: Mark, depth: int) -> str:
        key = self._value(event, depth + 1)
        if isinstance(key, (Map, Seq)):
            _refuse(self._name, place, "a key is not a scalar", "use a word as the key")
        # As it is written: the key of a choice may be `true`, or 1.
        return key if isinstance(key, str) else str(getattr(event, "value", key))
