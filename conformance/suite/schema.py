"""Validate files by the published JSON Schemas, with readable messages and places."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

import jsonschema_rs

from embcheck.conformance.suite.problems import Problem
from embcheck.conformance.suite.source import Map, mark_of

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

SCHEMAS = {
    "spec": "schema.json",
    "clauses": "clauses.schema.json",
    "deviations": "deviations.schema.json",
    "documentation": "documentation.schema.json",
    "exercise": "exercise.schema.json",
    "features": "features.schema.json",
    "sizes": "sizes.schema.json",
    "pairs": "pairs.schema.json",
    "workloads": "workloads.schema.json",
    "curves": "curves.schema.json",
}


# Two validators: a quick one first, since few trees have mistakes, then one with messages.
def problems_of(tree: Map, file: str, kind: str, part: str = "") -> list[Problem]:
    """List the problems of a tree by the schema of its kind of file, a key of `SCHEMAS`.

    If `part` is given, the tree is only a part of a file, and `part` names its definition in the
    schema.
    """
    if _quick_validator(kind, part).is_valid(tree):
        return []
    return [_problem(error, tree, file) for error in _errors(_validator(kind, part), tree)]


@lru_cache
def _quick_validator(kind: str, part: str) -> jsonschema_rs.Validator:
    """Return a validator that is a hundred times faster but only says yes or no."""
    return jsonschema_rs.validator_for(_schema(kind, part))


@lru_cache
def _validator(kind: str, part: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  (0.2 s to import)

    return Draft202012Validator(_schema(kind, part))


def _schema(kind: str, part: str) -> Any:
    schema = json.loads(files("embcheck.specs").joinpath(SCHEMAS[kind]).read_text("utf-8"))
    return {"$defs": schema["$defs"], "$ref": f"#/$defs/{part}"} if part else schema


def _errors(validator: Draft202012Validator, tree: Map) -> Iterator[ValidationError]:
    for error in validator.iter_errors(tree):
        yield from _most_specific(error)


def _most_specific(error: ValidationError) -> Iterator[ValidationError]:
    """Replace "fits no alternative" by the violations of the alternative that fits best."""
    if error.validator not in ("anyOf", "oneOf") or not error.context:
        yield error
        return
    # The first step of a path in the schema is the number of the alternative.
    branches: dict[str | int, list[ValidationError]] = {}
    for child in error.context:
        branches.setdefault(child.schema_path[0], []).append(child)
    fitting = [
        children
        for children in branches.values()
        if not any(child.validator == "type" and not child.path for child in children)
    ]
    # `oneOf` is also violated if two alternatives fit, for which there is no more specific error.
    if error.validator == "oneOf" or not fitting:
        yield error
        return
    # Probably meant: the alternative whose first mistake lies deepest.
    nearest = max(fitting, key=lambda children: max(len(child.path) for child in children))
    for child in nearest:
        yield from _most_specific(child)


def _problem(error: ValidationError, tree: Map, file: str) -> Problem:
    # The path of an unknown key ends at its mapping, so the key's own place is looked up below.
    path = list(error.absolute_path)
    mark = mark_of(tree, path)
    what, remedy = _words(error, ".".join(str(step) for step in path) or "the file")
    if error.validator in ("additionalProperties", "propertyNames"):
        owner = _at(tree, path)
        mark = owner.key_marks.get(_extra_key(error), mark) if isinstance(owner, Map) else mark
    return Problem(file, *mark, what, remedy)


def _at(tree: Any, path: list[Any]) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def _extra_key(error: ValidationError) -> str:
    if error.validator == "propertyNames":
        return str(error.instance)
    known = set(_properties(error))
    return next((str(key) for key in cast("Any", error.instance) if key not in known), "")


def _properties(error: ValidationError) -> list[str]:
    return list(cast("Any", error.schema).get("properties", {}))


def _words(error: ValidationError, place: str) -> tuple[str, str]:  # noqa: PLR0911  (a table)
    validator, value = error.validator, cast("Any", error.validator_value)
    stated: str | None = cast("Any", error.schema).get("remedy")
    remedy = stated or "see docs/spec-format.md"
    if validator == "additionalProperties":
        known = ", ".join(_properties(error)) or "a matrix variable such as $dtype"
        return f"unknown key '{_extra_key(error)}'", f"use one of: {known}"
    if validator == "required":
        absent = [key for key in value if key not in cast("Any", error.instance)]
        absent_keys = ", ".join(f"'{key}'" for key in absent)
        return f"{place} lacks {absent_keys}", f"add {absent_keys}"
    if validator == "enum":
        allowed = ", ".join(str(value) for value in value)
        return f"{place}: '{error.instance}' is not known", f"use one of: {allowed}"
    # The `oneOf` of a case is the only one that people often violate. `expect` identifies it.
    if validator == "oneOf" and any("expect" in one.get("required", ()) for one in value):
        return (
            f"{place} must have exactly one of 'expect', 'rejects', 'observe'",
            "state what must come of the call, once",
        )
    if validator == "type":
        kinds = " or ".join(value) if isinstance(value, list) else value
        return f"{place} is not of type {kinds}", stated or "correct the value"
    if validator in ("anyOf", "oneOf"):
        return f"{place}: this value fits nothing allowed here", remedy
    return f"{place}: {error.message[:200]}", remedy
