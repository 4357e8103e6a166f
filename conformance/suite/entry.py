"""Convert parsed specs to JSON and back. Unlike with pickle, reading it runs no code.

A dataclass becomes a list: the number of its class in `_KINDS`, then its fields.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.suite.arrays import GeneratedArray, JoinedArray, Literal, Real
from embcheck.conformance.suite.model import (
    CallSpec,
    Case,
    Clause,
    FromReference,
    Level,
    Made,
    Observes,
    Rejects,
    Returns,
    SequenceStep,
    Spec,
    Steps,
    Structure,
    Text,
    Tolerance,
    Values,
)

Plain = Any
"""JSON data: numbers, texts, lists, mappings, None."""


def to_text(spec: Spec) -> bytes:
    """Return a spec as lines of JSON: one with all cases, then one with each case's description.

    Options, recipes and parameters are plain data already.
    """
    # A case refers to its clauses by number, since most cases of a spec have the same ones.
    clauses = list(dict.fromkeys(clause for case in spec.cases for clause in case.clauses))
    data = {
        "name": spec.name,
        "behaviour": spec.behaviour,
        "clauses": [_clause_out(clause) for clause in clauses],
        "cases": [_case_out(case, clauses) for case in spec.cases],
    }
    # One line each, so that a run of ten cases need not parse three thousand descriptions.
    lines = [data, *(case.description for case in spec.cases)]
    return "\n".join(json.dumps(line, separators=(",", ":")) for line in lines).encode()


def from_text(text: bytes) -> Spec:
    """Return the spec that `to_text` was given."""
    first, *descriptions = text.split(b"\n")
    data = json.loads(first)
    clauses = [_clause_in(clause) for clause in data["clauses"]]
    cases = tuple(
        _case_in(case, clauses, description)
        for case, description in zip(data["cases"], descriptions, strict=True)
    )
    return Spec(data["name"], data["behaviour"], cases)


class _KeptCase(Case):
    """A case from the cache; its description is parsed only when it is wanted."""

    @cached_property
    def description(self) -> Mapping[str, Any]:
        # "kept" is not a field, so a case that `dataclasses.replace` made does not have it.
        text = vars(self).get("kept")
        if text is None:  # The case was changed, so the text no longer describes it.
            return super().description
        data = json.loads(text)
        return {**data, "steps": tuple(data["steps"])}


def _clause_out(clause: Clause) -> Plain:
    return {**vars(clause), "level": str(clause.level)}


def _clause_in(data: Plain) -> Clause:
    sentences = tuple(map(tuple, data["sentences"]))
    return Clause(**{**data, "level": Level(data["level"]), "sentences": sentences})


def _case_out(case: Case, clauses: list[Clause]) -> Plain:
    fields = {name: getattr(case, name) for name in _CASE}
    kinds = {name: _out(getattr(case, name)) for name in ("spec", "expectation", "tolerance")}
    places = [clauses.index(clause) for clause in case.clauses]
    return {**fields, **kinds, "clauses": places, "fingerprint": case.fingerprint}


def _case_in(data: Plain, clauses: list[Clause], description: bytes) -> Case:
    data["spec"], data["expectation"] = _in(data["spec"]), _in(data["expectation"])
    data["tolerance"] = data["tolerance"] and _in(data["tolerance"])
    data["clauses"] = tuple([clauses[place] for place in data["clauses"]])
    fingerprint = data.pop("fingerprint")
    case = _KeptCase(**data)
    # The dataclass is frozen, but its `__dict__` is not; a cached property is an entry in it.
    vars(case).update(kept=description, fingerprint=fingerprint)
    return case


_CASE = ("id", "title", "where", "parameters", "again", "large")
"""The fields of a case that are plain data."""


def _out(value: Any) -> Plain:
    if value is None:
        return None
    number, fields = _NUMBERED[type(value)]
    return [number, *(to(getattr(value, name)) for name, to in fields)]


def _in(data: Plain) -> Any:
    return _FROM[data[0]](data)


def _same(value: Any) -> Any:
    return value


def _array_out(array: np.ndarray) -> Plain:
    # Little-endian on every machine, since the digests of entries are shipped.
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return [array.dtype.name, list(array.shape), little.tobytes().hex()]


def _array_in(data: Plain) -> np.ndarray:
    name, shape, text = data
    # From a bytearray, since an array on `bytes` would be read-only.
    array = np.frombuffer(bytearray.fromhex(text), _dtype(name)).reshape(shape)
    return array if sys.byteorder == "little" else array.byteswap()


_dtype = cache(np.dtype)
_operation = cache(Operation)


def _deep_tuple(data: Plain) -> Any:
    return tuple(map(_deep_tuple, data)) if isinstance(data, list) else data


def _by_name(values: Mapping[str, Any]) -> Plain:
    return {name: _out(value) for name, value in values.items()}


def _by_name_in(data: Plain) -> dict[str, Any]:
    return {name: _FROM[value[0]](value) for name, value in data.items()}


# List comprehensions and `_FROM` directly, for speed: an entry has thousands of values, and a
# generator or a further call for each of them would delay the start of a run.
def _in_order(values: tuple[Any, ...]) -> Plain:
    return [_out(value) for value in values]


def _in_order_in(data: Plain) -> tuple[Any, ...]:
    return tuple([_FROM[value[0]](value) for value in data])


def _places(values: tuple[Any, ...]) -> Plain:
    return [[place, _array_out(array)] for place, array in values]


def _places_in(data: Plain) -> tuple[Any, ...]:
    return tuple((tuple(place), _array_in(array)) for place, array in data)


def _name(dtype: np.dtype[Any]) -> str:
    return dtype.name


def _literal(data: Plain) -> Literal:
    # The __init__ of a frozen dataclass takes five times as long, and there are 12,000 of these.
    made = object.__new__(Literal)
    fields = made.__dict__
    fields["values"], fields["layout"] = _array_in(data[1]), data[2]
    return made


def _generated(data: Plain) -> GeneratedArray:
    made = object.__new__(GeneratedArray)  # As above.
    fields = made.__dict__
    fields["recipe"], fields["shape"], fields["dtype"] = data[1], tuple(data[2]), _dtype(data[3])
    fields["parts"], fields["layout"] = _by_name_in(data[4]) if data[4] else {}, data[5]
    return made


_KINDS: Mapping[type[Any], tuple[dict[str, Callable[[Any], Plain]], Callable[[Plain], Any]]] = {
    Literal: (
        {"values": _array_out, "layout": _same},
        _literal,
    ),
    GeneratedArray: (
        {"recipe": _same, "shape": list, "dtype": _name, "parts": _by_name, "layout": _same},
        _generated,
    ),
    JoinedArray: (
        {"parts": _in_order, "shape": list, "dtype": _name, "repeat": _same, "layout": _same},
        lambda d: JoinedArray(_in_order_in(d[1]), tuple(d[2]), _dtype(d[3]), d[4], d[5]),
    ),
    Real: ({"name": _same, "layout": _same}, lambda d: Real(d[1], d[2])),
    CallSpec: (
        {
            "operation": str,
            "inputs": _by_name,
            "options": _same,
            "observe": list,
            "exported_for": _same,
        },
        lambda d: CallSpec(_operation(d[1]), _by_name_in(d[2]), d[3], tuple(d[4]), d[5]),
    ),
    Values: ({"array": _array_out}, lambda d: Values(_array_in(d[1]))),
    Made: ({"source": _out}, lambda d: Made(_in(d[1]))),
    Structure: (
        {"shape": list, "dtype": _name, "at": _places, "equal": _same, "nonzero": _same},
        lambda d: Structure(
            tuple(d[1]), _dtype(d[2]), _places_in(d[3]), _deep_tuple(d[4]), _deep_tuple(d[5])
        ),
    ),
    Text: ({"text": _same}, lambda d: Text(d[1])),
    FromReference: ({}, lambda _: FromReference()),
    Tolerance: (
        {"reason": _same, "rtol": _same, "atol": _same},
        lambda d: Tolerance(d[1], d[2], d[3]),
    ),
    Returns: ({"observations": _by_name}, lambda d: Returns(_by_name_in(d[1]))),
    Rejects: (
        {"control": _out, "control_returns": _out},
        lambda d: Rejects(_in(d[1]), _in(d[2])),
    ),
    Observes: (
        {"readings": _by_name, "pytorch": _same},
        lambda d: Observes(_by_name_in(d[1]), d[2]),
    ),
    SequenceStep: (
        {"label": _same, "spec": _out, "returns": _out},
        lambda d: SequenceStep(d[1], _in(d[2]), _in(d[3])),
    ),
    Steps: ({"steps": _in_order}, lambda d: Steps(_in_order_in(d[1]))),
}
"""For each class: how each field becomes plain data, and how an object is made from the list."""

_NUMBERED = {
    kind: (number, list(fields.items()))
    for number, (kind, (fields, _)) in enumerate(_KINDS.items())
}
_FROM = [made for _, made in _KINDS.values()]
