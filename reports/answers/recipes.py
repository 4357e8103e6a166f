"""Recipes: files of code to copy, and the part of one that a feature needs.

A library's recipe is `with_LIBRARY.py`. Beside it may lie `with_LIBRARY_one_hot.py`, and
`with_LIBRARY_gradients.py` where the library does not differentiate.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from embcheck.conformance.near import did_you_mean
from embcheck.reports.compat import CompatError, shipped

FUNCTIONS = {
    **dict.fromkeys(("lookup", "padding", "max_norm", "gradient", "frequency"), "embedding"),
    "sizes": "embedding",
    "bag": "embedding_bag",
    "one_hot": "one_hot",
}
"""The functions that features are about, by the first word of their names."""
FURTHER = ("_gradients", "_one_hot")
"""How the names of a recipe's other files end."""

ARGUMENTS = {
    "padding": "padding_idx",
    "max_norm": "max_norm",
    "frequency": "scale_grad_by_freq",
    "weights": "per_sample_weights",
    "offsets": "offsets",
    "last-offset": "include_last_offset",
}
"""The argument that a function must have for a feature, by a word of the feature's name.

Recipes that build graphs may have another argument instead: `is_weighted`, `has_offsets`.
"""
_SAID = {"per_sample_weights": "is_weighted", "offsets": "has_offsets"}


BUILT_ON: Mapping[str, str] = {"flax": "jax", "equinox": "jax", "onnx": "onnxruntime"}
"""Libraries whose users can copy the recipe for another library."""


class RecipeError(Exception):
    """There is no such recipe, no such feature, or the recipe does not have it."""


@dataclass(frozen=True)
class _Part:
    """A statement at the top of a file: the names that it defines, and those that it mentions."""

    node: ast.stmt
    text: str
    """With the blank lines and comments before it."""
    defines: frozenset[str]
    mentions: frozenset[str]


@lru_cache
def _texts() -> Mapping[str, str]:
    """Return the text of each recipe file, by the part of its name after `with_`."""
    found = {}
    for entry in files("embcheck.backends.recipes").iterdir():
        if entry.name.startswith("with_") and entry.name.endswith(".py"):
            name = entry.name.removeprefix("with_").removesuffix(".py")
            found[name] = entry.read_text("utf-8")
    return dict(sorted(found.items()))


def recipes() -> Mapping[str, str]:
    """Return the text of each recipe by its library's name."""
    return {name: text for name, text in _texts().items() if not name.endswith(FURTHER)}


def further(library: str) -> list[str]:
    """Return the texts of a recipe's other files."""
    return [_texts()[library + end] for end in FURTHER if library + end in _texts()]


def recipe_of(library: str, feature: str | None = None) -> str:
    """Return a recipe, or the part that a feature needs; raises RecipeError."""
    known = recipes()
    if library not in known:
        base = BUILT_ON.get(library)
        if base in known:
            what = f"{library} is built on {base}: embcheck recipe {base}"
        else:
            what = did_you_mean(library, known, f"there are: {', '.join(known)}")
        raise RecipeError(f"none for '{library}'; {what}")
    if feature is None:
        return known[library]
    try:
        feature = shipped().feature_named(feature)
    except CompatError as error:
        raise RecipeError(error.args[0]) from None
    return _part_of([known[library], *further(library)], library, feature)


def _part_of(texts: list[str], library: str, feature: str) -> str:
    parts = [part for text in texts for part in _parts(text)]
    defined = {name: part for part in parts for name in part.defines}
    words = feature.split(".")
    name = FUNCTIONS.get(words[0], "")
    if not isinstance(getattr(defined.get(name), "node", None), ast.FunctionDef | ast.ClassDef):
        raise RecipeError(f"the recipe for {library} has nothing for '{feature}'")
    taken = {node.arg for node in ast.walk(defined[name].node) if isinstance(node, ast.arg)}
    for word in words:
        needed = ARGUMENTS.get(word)
        if needed is not None and not {needed, _SAID.get(needed, needed)} & taken:
            raise RecipeError(f"the recipe for {library} takes no {needed}, for '{feature}'")
    roots = {name}
    if {"gradient", "frequency", "training"} & set(words):
        roots |= {f"{name}_gradient"} & defined.keys()
    return "".join([_title(parts, name), "\n", *_kept(parts, _reached(parts, roots))])


def _parts(text: str) -> Iterator[_Part]:
    """Yield a file's statements without relative imports: the texts of files are joined."""
    lines, end = text.splitlines(keepends=True), 0
    for node in ast.parse(text).body:
        begin, end = end, node.end_lineno or node.lineno
        if not (isinstance(node, ast.ImportFrom) and node.level):
            yield _read(node, "".join(lines[begin:end]))


def _read(node: ast.stmt, text: str) -> _Part:
    mentions = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return _Part(node, text, frozenset({node.name}), frozenset(mentions))
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        return _Part(node, text, frozenset(names), frozenset())
    stored = (
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    )
    return _Part(node, text, frozenset(stored), frozenset(mentions))


def _reached(parts: list[_Part], roots: set[str]) -> set[str]:
    """Return all names that some names need, also in statements that define nothing."""
    reached: set[str] = set()
    while roots - reached:
        reached |= roots
        for part in parts:
            # A statement that defines nothing, as `take_rows.defvjp(...)`, is needed by the name
            # that it begins with.
            if part.defines & reached or (not part.defines and _subject(part.node) in reached):
                roots = roots | part.mentions
        roots = roots & {name for part in parts for name in part.defines}
    return reached


def _subject(node: ast.stmt) -> str | None:
    if not isinstance(node, ast.Expr):
        return None
    inner: ast.expr = node.value
    while isinstance(inner, ast.Call | ast.Attribute):
        inner = inner.func if isinstance(inner, ast.Call) else inner.value
    return inner.id if isinstance(inner, ast.Name) else None


def _kept(parts: list[_Part], reached: set[str]) -> Iterator[str]:
    """Yield the texts of what is reached: each import once, then the other parts."""
    kept = [
        part
        for part in parts
        if part.defines & reached or (not part.defines and _subject(part.node) in reached)
    ]
    imports = [part for part in kept if isinstance(part.node, ast.Import | ast.ImportFrom)]
    yield from dict.fromkeys(part.text.lstrip("\n") for part in imports)
    yield from (part.text for part in kept if part not in imports)


def _title(parts: list[_Part], name: str) -> str:
    """Return the docstring of the file that defines a name."""
    title = ""
    for part in parts:
        if isinstance(part.node, ast.Expr) and isinstance(part.node.value, ast.Constant):
            title = part.text
        if name in part.defines:
            break
    return title
