"""Expand a case with a matrix: make one case for each combination of its variables."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from embcheck.conformance.suite.source import Map, Seq

Matrix = Mapping[str, list[Any]]


class UnknownVariable(Exception):
    """A `$name` that the matrix does not define, or a choice that lacks the current value."""

    def __init__(self, what: str, remedy: str, owner: Any, key: Any) -> None:
        super().__init__(what)
        self.remedy = remedy
        self.owner = owner
        self.key = key


def combinations(matrix: Matrix | list[Matrix]) -> Iterator[dict[str, Any]]:
    """Yield every assignment of the variables; the last variable changes fastest.

    For a list of matrices, yield the assignments of each, one matrix after the other.
    """
    for part in matrix if isinstance(matrix, list) else [matrix]:
        for values in itertools.product(*part.values()):
            yield dict(zip(part, values, strict=True))


def number_of(matrix: Matrix | list[Matrix]) -> int:
    """Count the assignments without making them, since a short matrix may give billions."""
    parts = matrix if isinstance(matrix, list) else [matrix]
    return sum(math.prod(map(len, part.values())) for part in parts)


def rungs(ladder: Matrix) -> Iterator[dict[str, Any]]:
    """Yield the assignments of a ladder: the first value of each variable, the second, ..."""
    for values in zip(*ladder.values(), strict=True):
        yield dict(zip(ladder, values, strict=True))


def rung_label(parameters: Mapping[str, Any]) -> str:
    """Return a readable label for a rung of a ladder: `at rows = 1,024, columns = 3`."""
    words = (f"{name} = {_number(value)}" for name, value in parameters.items())
    return f"at {', '.join(words)}"


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def suffix(parameters: Mapping[str, Any]) -> str:
    """Return the end of a case's id for an assignment, e.g. `[dtype=float16,mode=sum]`."""
    if not parameters:
        return ""
    return "[" + ",".join(f"{name}={value}" for name, value in parameters.items()) + "]"


def substitute(tree: Any, parameters: Mapping[str, Any]) -> Any:
    """Replace each `$name` by its value, and each `{$name: {...}}` by the entry for its value.

    The result keeps the places in the file. Raise UnknownVariable.
    """
    if isinstance(tree, Map):
        return _substitute_map(tree, parameters)
    if isinstance(tree, Seq):
        items = Seq(tree.mark)
        items.value_marks = tree.value_marks
        items.extend(_value(tree, key, item, parameters) for key, item in enumerate(tree))
        return items
    return tree


def _substitute_map(tree: Map, parameters: Mapping[str, Any]) -> Any:
    # A mapping whose only key is a variable is a choice, and is replaced by the chosen entry.
    key = next(iter(tree), "")
    if len(tree) == 1 and key.startswith("$"):
        choices, word = _choose(tree, key, parameters)
        return _value(choices, word, choices[word], parameters)
    result = Map(tree.mark)
    result.key_marks, result.value_marks = tree.key_marks, tree.value_marks
    for name, item in tree.items():
        result[name] = _value(tree, name, item, parameters)
    return result


def _choose(tree: Map, key: str, parameters: Mapping[str, Any]) -> tuple[Map, str]:
    """Return the choices of a variable, and the key of its current value."""
    chosen = _value(tree, key, key, parameters)
    choices = tree[key]
    if not isinstance(choices, Map):
        raise UnknownVariable(f"{key} has no choices", "write one for each value", tree, key)
    # As YAML spells it: `true`, not Python's `True`.
    word = json.dumps(chosen) if chosen is None or isinstance(chosen, bool) else str(chosen)
    if word not in choices:
        raise UnknownVariable(f"no choice for {key[1:]} = {word}", f"add `{word}:`", tree, key)
    return choices, word


def _value(owner: Any, key: Any, item: Any, parameters: Mapping[str, Any]) -> Any:
    # A variable must be the whole text, not a part of it, so that its value keeps its type.
    if not (isinstance(item, str) and item.startswith("$")):
        return substitute(item, parameters)
    name = item[1:]
    if name not in parameters:
        defined = ", ".join(parameters) or "none"
        raise UnknownVariable(
            f"'{item}' is not a variable of the matrix",
            f"define it under `matrix:` (defined: {defined})",
            owner,
            key,
        )
    return parameters[name]
