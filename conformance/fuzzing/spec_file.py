"""Write a finding as a spec, which `embcheck run` reproduces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from embcheck.conformance.contract.call import Call, Observation
from embcheck.conformance.execution.client import Answered, Rejected
from embcheck.conformance.execution.wire import layout_of
from embcheck.conformance.fuzzing.compare import FRESH
from embcheck.conformance.fuzzing.duel import Exchange
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


@dataclass(frozen=True)
class Control:
    """The valid neighbour of a refused call, and the output that both gave for it."""

    call: Call
    output: np.ndarray


def write_spec(
    path: Path,
    *,
    behaviour: str,
    case: str,
    clause: str | None,
    exchange: Exchange,
    observations: tuple[str, ...],
    control: Control | None,
) -> None:
    """Write one case: what the reference answers to the call, or that it refuses it.

    `observations` are those that the case expects, or, of a refused call, asks for. A case without
    a clause of the suite brings a folder of its own, beside the folder of the spec.
    """
    call = exchange.call
    written: dict[str, Any] = {
        "id": case,
        "clauses": [clause or OWN_CLAUSE],
        "inputs": {name: _array(array) for name, array in call.inputs.items()},
    }
    if call.options:
        written["options"] = _flow(call.options)
    if isinstance(exchange.ours, Rejected):
        assert control is not None  # noqa: S101  (the caller looks for one first)
        written["rejects"] = {"observe": list(observations), "control": _control(call, control)}
    else:
        assert isinstance(exchange.ours, Answered)  # noqa: S101  (the reference does nothing else)
        arrays = exchange.ours.arrays
        written["expect"] = {name: _expected(call, name, arrays[name]) for name in observations}
    path.parent.mkdir(parents=True, exist_ok=True)
    tree = {"behaviour": behaviour, "operation": str(call.operation), "cases": [written]}
    path.write_text(_yaml(tree), "utf-8")
    if clause is None:
        clauses = path.parent.parent / "clauses" / "fuzz.yaml"
        clauses.parent.mkdir(exist_ok=True)
        clauses.write_text(_CLAUSES, "utf-8")


def _control(call: Call, control: Control) -> dict[str, Any]:
    """Write what differs from the refused call."""
    changed: dict[str, Any] = {
        name: _array(array)
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
    return {**written, "expect": {"output": _array(control.output)}}


def _is_same(array: np.ndarray, other: np.ndarray) -> bool:
    return (
        array.dtype == other.dtype
        and array.shape == other.shape
        and array.tobytes() == other.tobytes()
    )


def _expected(call: Call, name: str, array: np.ndarray) -> Any:
    """Write what is expected; of a weight that a module draws, only shapes and dtypes are known."""
    if call.operation in FRESH and name != Observation.TRAINABLE:
        return _flow({"shape": list(array.shape), "dtype": array.dtype.name})
    return _array(array)


def _array(array: np.ndarray) -> CommentedMap:
    written: dict[str, Any] = {"dtype": array.dtype.name, "values": plain_values(array)}
    if not array.size:
        written["shape"] = list(array.shape)
    if layout_of(array) != "contiguous":
        written["layout"] = layout_of(array)
    return _flow(written)


def _flow(mapping: Mapping[str, Any]) -> CommentedMap:
    """Write a mapping on one line where it fits."""
    written = CommentedMap(mapping)
    written.fa.set_flow_style()
    return written


def _yaml(tree: Mapping[str, Any]) -> str:
    yaml = YAML()
    yaml.width = 100
    text = StringIO()
    yaml.dump(tree, text)
    return text.getvalue()
