"""Make the JSON Schema of a line of `results.jsonl` from the dataclasses.

`python -m embcheck.conformance.records.schema` prints what is published as
`specs/results.schema.json`. A test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from types import NoneType
from typing import Any, Required, get_args, get_origin, get_type_hints, is_typeddict

from embcheck.conformance.execution.judging.causes import Category, Cause
from embcheck.conformance.execution.judging.rows import RowWord
from embcheck.conformance.execution.judging.verdict import Kind, Note, Outcome
from embcheck.conformance.records.lines import (
    FORMAT_VERSION,
    LINE_TYPES,
    CaseLine,
    ClauseLine,
    Described,
    DescribedBackend,
    DescribedCall,
    DescribedEnvironment,
    DescribedRound,
    DescribedSettings,
    KnownDeviation,
    Measurement,
    PriceLine,
    Reason,
    ResultLine,
    RoundsLine,
    RunHeader,
)
from embcheck.conformance.records.plain import hints_of, noun_of, options_of
from embcheck.conformance.suite.model import Level
from embcheck.conformance.timing.statistics.estimate import Conclusion
from embcheck.conformance.timing.verdicts.decide import Because

WORDS: Mapping[tuple[type, str], type[StrEnum]] = {
    (CaseLine, "level"): Level,
    (ClauseLine, "level"): Level,
    (ResultLine, "level"): Level,
    (ResultLine, "outcome"): Outcome,
    (ResultLine, "kind"): Kind,
    (ResultLine, "notes"): Note,
    (ResultLine, "reading_word"): RowWord,
    (KnownDeviation, "category"): Category,
    (KnownDeviation, "cause"): Cause,
    (Measurement, "verdict"): Conclusion,
    (PriceLine, "verdict"): Conclusion,
    (Reason, "kind"): Because,
}
"""Fields whose values are those of an enum in another module."""
FORMS: Mapping[tuple[type, str], Any] = {
    (RunHeader, "backends"): tuple[DescribedBackend, ...],
    (RunHeader, "environment"): DescribedEnvironment,
    (RunHeader, "settings"): DescribedSettings,
    (CaseLine, "call"): DescribedCall,
    (CaseLine, "control"): DescribedCall | None,
    (CaseLine, "expected"): Mapping[str, Described] | None,
    (CaseLine, "control_expected"): Mapping[str, Described] | None,
    (CaseLine, "readings"): Mapping[str, Mapping[str, Described]],
    (RoundsLine, "rounds"): tuple[DescribedRound, ...],
}
"""Fields that hold plain data in a form on which readers rely."""
_PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}


def results_schema() -> dict[str, Any]:
    """Return the schema. It allows unknown keys, since newer records may add some."""
    nouns: dict[str, Any] = {}
    lines = [_line(name, kind, nouns) for name, kind in LINE_TYPES.items()]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A line of embcheck's results.jsonl, format version {FORMAT_VERSION}",
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": list(LINE_TYPES)}},
        "allOf": lines,
        "$defs": dict(sorted(nouns.items())),
    }


def _line(name: str, kind: Any, nouns: dict[str, Any]) -> dict[str, Any]:
    """Return the condition for lines of one type; all of their fields are required."""
    made = _object(kind, nouns, whole=True)
    made["properties"]["type"] = {"const": name}
    if name == "run":
        made["properties"]["format"] = {"const": FORMAT_VERSION}
    nouns[kind.__name__] = made
    return {
        "if": {"properties": {"type": {"const": name}}},
        "then": {"$ref": f"#/$defs/{kind.__name__}"},
    }


def _object(kind: Any, nouns: dict[str, Any], *, whole: bool = False) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    together: dict[str, list[str]] = {}
    for field in fields(kind):
        hint = FORMS.get((kind, field.name), hints_of(kind)[field.name])
        if field.metadata.get("flat"):
            noun = _object(noun_of(hint), nouns)
            properties |= noun["properties"]
            # The required keys of a flat dataclass are all present, or none of its keys is.
            together |= dict.fromkeys(noun["properties"], noun["required"])
            continue
        properties[field.name] = _type(hint, nouns)
        if words := WORDS.get((kind, field.name)):
            # In JSON Schema, an enum must list null if it is allowed.
            none = [None] if NoneType in get_args(hint) else []
            allowed = {"enum": [*map(str, words), *none]}
            is_list = get_origin(hint) is tuple
            properties[field.name] = {"type": "array", "items": allowed} if is_list else allowed
        if whole or (field.default is MISSING and field.default_factory is MISSING):
            required.append(field.name)
    return {
        "description": _first_sentence(kind),
        "type": "object",
        "properties": properties,
        "required": required,
        **({"dependentRequired": together} if together else {}),
    }


def _type(hint: Any, nouns: dict[str, Any]) -> dict[str, Any]:
    options = [_option(option, nouns) for option in options_of(hint)]
    if NoneType in get_args(hint):
        options.append({"type": "null"})
    if all(option.keys() == {"type"} for option in options):
        names = [option["type"] for option in options]
        return {"type": names[0] if len(names) == 1 else names}
    return options[0] if len(options) == 1 else {"anyOf": options}


def _option(hint: Any, nouns: dict[str, Any]) -> dict[str, Any]:
    if hint is Any:
        return {}
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (list, tuple):
        return {"type": "array", "items": _type(arguments[0], nouns)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _type(arguments[1], nouns)}
    if is_dataclass(hint) or is_typeddict(hint):
        # Each type is defined only once, however often it is used.
        if hint.__name__ not in nouns:
            nouns[hint.__name__] = (
                _object(hint, nouns) if is_dataclass(hint) else _dict(hint, nouns)
            )
        return {"$ref": f"#/$defs/{hint.__name__}"}
    raise TypeError(f"a record cannot hold {hint}")


def _dict(kind: Any, nouns: dict[str, Any]) -> dict[str, Any]:
    properties = {name: _type(hint, nouns) for name, hint in hints_of(kind).items()}
    made = {"description": _first_sentence(kind), "type": "object", "properties": properties}
    # `__required_keys__` would be wrong here, since annotations are kept as text.
    extras = get_type_hints(kind, include_extras=True)
    required = [name for name, hint in extras.items() if get_origin(hint) is Required]
    return {**made, "required": required} if required else made


def _first_sentence(kind: Any) -> str:
    return str(kind.__doc__).split("\n", 1)[0]


if __name__ == "__main__":
    print(json.dumps(results_schema(), indent=2))  # noqa: T201
