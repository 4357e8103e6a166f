"""Calls on a table stored by a scheme, made from calls on the same table in floats.

A backend that looks up in stored tables only is timed on those, in any workload. Its answers are
judged by the bounds of the call on the stored table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.contract.call import Call
from embcheck.conformance.contract.operation import Operation
from embcheck.conformance.contract.schemes import SCHEMES, ScaleGroup
from embcheck.conformance.timing.workloads.traces import Inputs

STORED: Mapping[Operation, Operation] = {
    operation.of_floats: operation for operation in Operation if operation.is_quantized
}
"""The operation on stored tables, by its counterpart on tables of floats."""


def scheme_for(info: BackendInfo, call: Call, wanted: str | None) -> str | None:
    """Return the scheme by which a backend answers a call that it does not answer in floats.

    It is the wanted one, or else the first that the backend has, those of 8 bits before those of 4.
    None if the backend has none, or answers the call in floats.
    """
    # A backend that answers in floats is timed in floats, even if it has stored tables too.
    if info.lacks(call) is None or call.operation not in STORED:
        return None
    names = SCHEMES if wanted is None else [wanted]
    return next((n for n in names if info.lacks(stored_call(call, n)) is None), None)


def stored_call(call: Call, scheme: str) -> Call:
    """Return the same call, with its table stored by a scheme."""
    options = {**call.options, "scheme": scheme}
    return replace(call, operation=STORED[call.operation], options=options)


def stored_inputs(inputs: Inputs, scheme: str) -> Inputs:
    """Return the inputs of the same calls on the stored table."""
    return replace(inputs, bare=stored_call(inputs.bare, scheme))


def looked_up(call: Call) -> np.ndarray:
    """Return the numbers of the rows that decide what a call looks up, each once and in order.

    These are the rows that are looked up, and others that share a scale with them. Where the whole
    table shares one, the rows of its smallest and its largest value count too. Where runs go from
    one row into the next, all rows do.
    """
    table, rows = call.inputs["weight"], np.unique(call.inputs["indices"])
    if not call.operation.is_quantized:
        return rows
    scheme = SCHEMES[call.option("scheme")]
    # Such a run holds parts of two rows, so a row's scale depends on its neighbours too.
    if scheme.group is ScaleGroup.RUN and table.shape[1] % scheme.block:
        return np.arange(len(table))
    if scheme.group is ScaleGroup.TABLE and table.size:
        ends = (int(table.argmin()), int(table.argmax()))
        return np.union1d(rows, np.array(ends) // table.shape[1])
    return rows
