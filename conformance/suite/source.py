"""YAML 1.2 text as plain data that remembers where each value stood."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from embcheck.conformance.suite.problems import Problem, SpecError

MAX_BYTES = 512 * 1024
MAX_VALUES = 200_000
MAX_DEPTH = 60

Mark = tuple[int, int]
"""Line and column, counted from 1."""


class Map(dict[str, Any]):
    """A YAML mapping that knows where it, its keys and its values stood."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.key_marks: dict[str, Mark] = {}
        self.value_marks: dict[str, Mark] = {}


class Seq(list[Any]):
    """A YAML sequence that knows where it and its items stood."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.value_marks: list[Mark] = []


def mark_of(tree: Any, path: Iterable[Hashable]) -> Mark:
    """Find where the value at a path stood; the nearest known parent's place if it is unknown."""
    mark: Mark = getattr(tree, "mark", (1, 1))
    for step in path:
        try:
            mark = tree.value_marks[step]
            tree = tree[step]
        except (AttributeError, KeyError, IndexError, TypeError):
            return mark
    return mark


def read_yaml(path: Path, name: str | None = None) -> Map:
    """Read a YAML file whose top level is a mapping.

    Refuses, with a SpecError that names `name` (the path unless given), files over 512 KiB, nesting
    beyond 60 levels, and text whose aliases expand to more than 200,000 values.
    """
    name = name or str(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            _refuse(
                name,
                (1, 1),
                f"the file has {size:,} bytes, the limit is {MAX_BYTES:,}",
                "split it: one behaviour a file",
            )
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        _refuse(name, (1, 1), f"cannot be read: {error.strerror}", "check the path")
    except UnicodeDecodeError:
        _refuse(name, (1, 1), "is not UTF-8 text", "save it as UTF-8")
    return parse_yaml(text, name)


def parse_yaml(text: str, name: str) -> Map:
    """Parse YAML text whose top level is a mapping; raises SpecError like `read_yaml`."""
    try:
        yaml = YAML(typ="safe", pure=True)
        node = yaml.compose(text)
        tree = _Converter(yaml, name).convert(node, 0) if node is not None else None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        _refuse(name, place, f"not YAML: {error.problem or error.context}", "correct the syntax")
    except RecursionError:
        _refuse(name, (1, 1), "nested too deeply", f"keep it under {MAX_DEPTH} levels")
    except (YAMLError, ValueError) as error:
        _refuse(name, (1, 1), f"not YAML: {error}", "correct the syntax")
    if not isinstance(tree, Map):
        _refuse(name, (1, 1), "the top level is not a mapping", "start with keys such as `cases:`")
    return tree


def _refuse(name: str, mark: Mark, what: str, remedy: str) -> NoReturn:
    raise SpecError([Problem(name, *mark, what, remedy)]) from None


class _Converter:
    def __init__(self, yaml: YAML, name: str) -> None:
        self._construct = yaml.constructor.construct_object
        self._name = name
        self._values = 0

    def convert(self, node: Node, depth: int) -> Any:
        mark = (node.start_mark.line + 1, node.start_mark.column + 1)
        self._values += 1
        if self._values > MAX_VALUES:
            _refuse(
                self._name,
                mark,
                f"expands to more than {MAX_VALUES:,} values",
                "use fewer aliases, or a generator for large arrays",
            )
        if depth > MAX_DEPTH:
            _refuse(self._name, mark, "nested too deeply", f"keep it under {MAX_DEPTH} levels")
        if isinstance(node, ScalarNode):
            return self._construct(node)
        if isinstance(node, SequenceNode):
            return self._sequence(node, mark, depth)
        assert isinstance(node, MappingNode)  # noqa: S101  (YAML has three kinds of nodes)
        return self._mapping(node, mark, depth)

    def _sequence(self, node: SequenceNode, mark: Mark, depth: int) -> Seq:
        result = Seq(mark)
        for item in node.value:
            result.value_marks.append((item.start_mark.line + 1, item.start_mark.column + 1))
            result.append(self.convert(item, depth + 1))
        return result

    def _mapping(self, node: MappingNode, mark: Mark, depth: int) -> Map:
        result = Map(mark)
        for key_node, value_node in node.value:
            place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            key = self.convert(key_node, depth + 1)
            if not isinstance(key, str):
                if isinstance(key, (Map, Seq)):
                    _refuse(self._name, place, "a key is not a scalar", "use a word as the key")
                key = str(key_node.value)
            if key in result:
                _refuse(self._name, place, f"the key '{key}' stands twice", "remove one of them")
            result.key_marks[key] = place
            result.value_marks[key] = (
                value_node.start_mark.line + 1,
                value_node.start_mark.column + 1,
            )
            result[key] = self.convert(value_node, depth + 1)
        return result
