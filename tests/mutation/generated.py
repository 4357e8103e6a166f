"""Mutants of the reference made by cosmic-ray: each of its operators at each place."""

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
    """A generated mutant: the sources with one small change."""

    id: str
    diff: str
    sources: Sources


def generate(sources: Sources) -> Iterator[Generated]:
    """Yield each mutant once, except changes of only type hints, messages or class variables.

    The reference's one class variable declares its capabilities; other tests check these.
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
            continue  # These operators need the names of the variables to replace.
        operator = get_operator(name)()
        count = sum(1 for node in nodes for _ in operator.mutation_positions(node))
        for occurrence in range(count):
            short = name.removeprefix("core/")
            yield f"{short}:{occurrence}", mutate_code(text, operator, occurrence)


def _meaning(text: str) -> str | None:
    """Return a module's syntax tree as text, without what `generate` ignores; None if invalid."""
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
