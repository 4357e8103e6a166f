"""Findings written as specs, which `embcheck run` reproduces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.execution.protocol.answers import Answered, Rejected
from embcheck.conformance.fuzzing.duel import DuelResult
from embcheck.conformance.fuzzing.question import Question
from embcheck.conformance.fuzzing.sketch import Sketch
from embcheck.conformance.fuzzing.traits import layout_name
from embcheck.conformance.suite.array_parser import MAX_ELEMENTS
from embcheck.conformance.suite.arrays import plain_values

OWN_CLAUSE = "FUZZ-01"
_CLAUSES = f"""\
clauses:
- id: {OWN_CLAUSE}
  level: implementation-defined
  statement: What the NumPy reference does; no clause of the suite was found that speaks of it.
  object: torch.nn.functional
  parameter: generated calls
  source: "embcheck fuzz"
"""


MOST_WRITTEN = 512
"""The most elements of an expectation that is written; the reference is asked for larger ones."""


@dataclass(frozen=True)
class Control:
    """The valid neighbour of a refused call, and the output that both gave for it."""

    question: Question
    call: Call
    output: np.ndarray


def write_spec(
    path: Path,
    behaviour: str,
    case: str,
    clause: str | None,
    exchange: DuelResult,
    observations: tuple[str, ...],
    control: Control | None,
) -> None:
    """Write one case: what the reference answers to the call, or that it refuses it.

    `observations` are those that the case expects or, if the call must be refused, asks for. If
    `clause` is None, a clause of its own is written to the folder `clauses`, beside the spec's.
    """
    written = _call(exchange)
    if isinstance(exchange.ours, Rejected):
        assert control is not None  # noqa: S101  (the caller looks for one first)
        written["rejects"] = {"observe": list(observations), "control": _control(exchange, control)}
    elif max(array.size for array in exchange.call.inputs.values()) > MAX_ELEMENTS:
        written["large"] = True
        written["expect"] = {name: _places(exchange, name) for name in observations}
    else:
        written["expect"] = {name: _expected(exchange, name) for name in observations}
    _write(path, behaviour, case, clause, exchange, written)


def write_sequence(
    path: Path,
    behaviour: str,
    case: str,
    clause: str | None,
    exchanges: Sequence[DuelResult],
    observations: tuple[str, ...],
) -> None:
    """Write one case of calls in a row; `observations` are expected of the last one."""
    written: dict[str, Any] = {"inputs": _inputs(exchanges[0]), "sequence": []}
    for number, exchange in enumerate(exchanges, 1):
        # A step says what differs from the case's inputs, which are the first call's.
        own = {
            name: array
            for name, array in _inputs(exchange).items()
            if array != written["inputs"].get(name)
        }
        own |= dict.fromkeys(name for name in written["inputs"] if name not in exchange.call.inputs)
        step: dict[str, Any] = {"inputs": own} if own else {}
        if exchange.call.options:
            step["options"] = _flow(exchange.call.options)
        is_last = number == len(exchanges)
        asked = observations if is_last else _asked(exchange.call)
        step["expect"] = {name: _expected(exchange, name) for name in asked}
        written["sequence"].append(step)
    _write(path, behaviour, case, clause, exchanges[-1], written)


def _write(
    path: Path,
    behaviour: str,
    case: str,
    clause: str | None,
    exchange: DuelResult,
    written: Mapping[str, Any],
) -> None:
    tree = {
        "behaviour": behaviour,
        "operation": str(exchange.call.operation),
        "cases": [{"id": case, "clauses": [clause or OWN_CLAUSE], **written}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_yaml(tree), "utf-8")
    # Beside the folder of the specs, where the loader looks for clauses of their own.
    if clause is None:
        clauses = path.parent.parent / "clauses" / "fuzz.yaml"
        clauses.parent.mkdir(exist_ok=True)
        clauses.write_text(_CLAUSES, "utf-8")


def _call(exchange: DuelResult) -> dict[str, Any]:
    """Write the inputs and options of a call."""
    written: dict[str, Any] = {"inputs": _inputs(exchange)}
    if exchange.call.options:
        written["options"] = _flow(exchange.call.options)
    return written


def _asked(call: Call) -> tuple[str, ...]:
    return tuple(str(name) for name in call.observe if name != Observation.INPUTS_AFTER)


def _inputs(exchange: DuelResult | Control) -> dict[str, CommentedMap]:
    """Write arrays; those of a sketch by their generators."""
    if isinstance(exchange.question, Sketch):
        return {name: _flow(spec) for name, spec in exchange.question.inputs().items()}
    return {name: _array(array) for name, array in exchange.call.inputs.items()}


def _control(exchange: DuelResult, control: Control) -> dict[str, Any]:
    """Write what differs from the refused call."""
    call, written_inputs = exchange.call, _inputs(control)
    changed: dict[str, Any] = {
        name: written_inputs[name]
        for name, array in control.call.inputs.items()
        if name not in call.inputs or not _is_same(array, call.inputs[name])
    }
    changed |= dict.fromkeys(name for name in call.inputs if name not in control.call.inputs)
    options = {
        name: value
        for name, value in control.call.options.items()
        if name not in call.options or call.options[name] != value
    }
    written: dict[str, Any] = {}
    if changed:
        written["inputs"] = changed
    if options:
        written["options"] = _flow(options)
    output = "reference" if control.output.size > MOST_WRITTEN else _array(control.output)
    return {**written, "expect": {"output": output}}


def _is_same(array: np.ndarray, other: np.ndarray) -> bool:
    # By bytes: NaN is the same as itself here, and 0 is not -0.
    return (
        array.dtype == other.dtype
        and array.shape == other.shape
        and array.tobytes() == other.tobytes()
    )


def _expected(exchange: DuelResult, name: str) -> Any:
    """Write what is expected: shape and dtype alone if the module draws its weight."""
    array = _answer(exchange, name)
    if exchange.call.operation.is_fresh and name != Observation.TRAINABLE:
        return _flow({"shape": list(array.shape), "dtype": array.dtype.name})
    return "reference" if array.size > MOST_WRITTEN else _array(array)


def _places(exchange: DuelResult, name: str) -> CommentedMap:
    """Write the shape of an answer, and its first MOST_WRITTEN rows."""
    array = _answer(exchange, name)
    rows = enumerate(array[:MOST_WRITTEN])
    at = [{"position": [number], "values": plain_values(row)} for number, row in rows]
    return _flow({"shape": list(array.shape), "at": at})


def _answer(exchange: DuelResult, name: str) -> np.ndarray:
    assert isinstance(exchange.ours, Answered)  # noqa: S101  (the reference does nothing else)
    return exchange.ours.arrays[name]


def _array(array: np.ndarray) -> CommentedMap:
    written: dict[str, Any] = {"dtype": array.dtype.name, "values": plain_values(array)}
    # Empty lists cannot tell (0, 3) from (0,).
    if not array.size:
        written["shape"] = list(array.shape)
    layout = layout_name(array)
    if layout != "contiguous":
        written["layout"] = layout
    return _flow(written)


def _flow(mapping: Mapping[str, Any]) -> CommentedMap:
    """Write a mapping on one line if it fits."""
    written = CommentedMap(mapping)
    # An array in block style would take a line for each number.
    written.fa.set_flow_style()
    return written


def _yaml(tree: Mapping[str, Any]) -> str:
    yaml = YAML()
    yaml.width = 100
    text = StringIO()
    yaml.dump(tree, text)
    return text.getvalue()
