"""Mutants that cosmic-ray makes of the reference: each of its operators, at each place."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from mutation.patching import Sources, diff


@dataclass(frozen=True)
class Generated:
    """A mutant that a tool made: the sources with one small change."""

    id: str
    diff: str
    sources: Sources


def generate(sources: Sources) -> Iterator[Generated]:
    """Make every mutant once, but those that only change type hints, messages or class variables.

    The reference's one class variable says what it can do, which its adapter's tests look at.
    """
    for file, text in sources.items():
        known = {_meaning(text), None}
        for name, mutated in _mutations(text):
            meaning = _meaning(mutated)
            if meaning not in known:
                known.add(meaning)
                changed = {**sources, file: mutated}
                yield Generated(f"{file}:{name}", diff(sources, changed), changed)


def _mutations(text: str) -> Iterator[tuple[str, str]]:
    nodes = list(ast_nodes(get_ast(text)))
    for name in operator_names():
        if get_operator(name).arguments():
            continue  # These need to be told which variables to replace.
        operator = get_operator(name)()
        count = sum(1 for node in nodes for _ in operator.mutation_positions(node))
        for occurrence in range(count):
            short = name.removeprefix("core/")
            yield f"{short}:{occurrence}", mutate_code(text, operator, occurrence)


def _meaning(text: str) -> str | None:
    """Describe what a module's functions do; None if it is no Python."""
    try:
        with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
            tree = ast.parse(text)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = ast.Constant(None)
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.ClassDef):
            node.body = [each for each in node.body if not isinstance(each, ast.Assign)]
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc.args = []
    return ast.dump(tree)
