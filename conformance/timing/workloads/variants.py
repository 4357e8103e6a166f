"""Variants of a call that differ in one thing; the times of two of them show what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Observation
from embcheck.conformance.contract.options import read_option
from embcheck.conformance.timing.workloads.traces import Inputs, draw_upstream, draw_weights

PLAIN = "plain"
# The A/A row of prices: its difference from `plain` is no price.
AGAIN = "plain, again"
OFFSETS = "offsets"
BACKWARD = "forward and dense backward"
SPARSE = "forward and sparse backward"
EMPTY_SHARE = 0.3

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Variant:
    """A call with one thing changed, and the name of the variant that it is paired with.

    `kind` is `semantics`, `stage` (of training) or `spelling`. `spelling` names the adapter's other
    spelling by which the call is prepared, if it is not its own. `note` says what a figure stands
    for where the name does not.
    """

    name: str
    kind: str
    inputs: Inputs
    plain: str = PLAIN
    spelling: str | None = None
    note: str = ""


def variants_of(inputs: Inputs) -> list[Variant]:
    """List the variants of a workload's plain call, on its first trace; the plain call first."""
    inputs = replace(inputs, traces=inputs.traces[:1])
    found = [Variant(PLAIN, "semantics", inputs), Variant(AGAIN, "semantics", inputs)]
    found += _of_indices(inputs)
    if inputs.bare.operation.is_bag:
        found += [*_of_bags(inputs), *_of_training(inputs)]
    return found


def spelled(inputs: Inputs, names: list[str]) -> list[Variant]:
    """Make a variant of each of an adapter's other spellings."""
    first = replace(inputs, traces=inputs.traces[:1])
    return [Variant(name, "spelling", first, spelling=name) for name in names]


def _of_indices(inputs: Inputs) -> Iterator[Variant]:
    trace, weight = inputs.traces[0], inputs.shared["weight"]
    places = {"indices", "offsets"} & {*trace}
    other = np.dtype(np.int64 if trace["indices"].dtype == np.int32 else np.int32)
    cast = {name: trace[name].astype(other) for name in places}
    yield Variant(f"{other.name} indices", "semantics", _with(inputs, cast))
    rows, counts = np.unique(trace["indices"], return_counts=True)
    # The row that is looked up most, so that the option has as much effect as it can.
    if read_option(inputs.bare.options, "padding_idx") is None:
        padding = int(rows[counts.argmax()])
        yield Variant("padding_idx", "semantics", _with(inputs, options={"padding_idx": padding}))
    else:
        none = {"padding_idx": None}
        yield Variant("no padding_idx", "semantics", _with(inputs, options=none))
    norms = np.linalg.norm(weight[rows].astype(np.float64), axis=1)
    # If the median norm is the limit, half of the rows are too long.
    limit = {"max_norm": float(np.median(norms))}
    # max_norm changes the table in place, so the other variants must not share it.
    own = replace(_with(inputs, {"weight": weight.copy()}, limit), shared={})
    note = "rows are shortened by the first call; what is timed is the check of their norms"
    yield Variant("max_norm", "semantics", own, note=note)


def _of_bags(inputs: Inputs) -> Iterator[Variant]:
    trace, options = inputs.traces[0], inputs.bare.options
    # PyTorch documents per-sample weights for sums only.
    if read_option(options, "mode") == "sum":
        for mode in ("mean", "max"):
            yield Variant(f"{mode}, not sum", "semantics", _with(inputs, options={"mode": mode}))
        weights = draw_weights(trace["indices"].shape, inputs.shared["weight"].dtype.name)
        yield Variant("per_sample_weights", "semantics", _with(inputs, weights))
    if "offsets" in trace:
        return
    bags, size = trace["indices"].shape
    flat = trace["indices"].reshape(-1)
    even = np.arange(0, flat.size, size)
    note = "the same bags, flat, with where each begins"
    bounded = _with(inputs, {"indices": flat, "offsets": even})
    yield Variant(OFFSETS, "semantics", bounded, note=note)
    note = "as many indices in as many bags, 30 % of them empty"
    ragged = _with(inputs, {"indices": flat, "offsets": _some_empty(flat.size, bags)})
    yield Variant("30 % empty bags", "semantics", ragged, OFFSETS, note=note)


def _some_empty(indices: int, bags: int) -> np.ndarray:
    """Return offsets that spread the indices over bags of which EMPTY_SHARE are empty."""
    full = bags - round(bags * EMPTY_SHARE)
    # Knuth's multiplicative hash of their numbers scatters the empty bags, always in the same way.
    places = np.sort(np.argsort(np.arange(bags) * 2654435761 % 2**32)[:full])
    lengths = np.zeros(bags, np.int64)
    lengths[places] = np.diff(np.arange(full + 1) * indices // full)
    return np.cumsum(np.append(0, lengths[:-1]))


def _of_training(inputs: Inputs) -> Iterator[Variant]:
    """Yield the stages of a training step, each of which includes those before it."""
    weight = inputs.shared["weight"]
    shape = (inputs.bags or 0, weight.shape[1])
    upstream = {"grad_output": draw_upstream(shape, weight.dtype.name)}
    dense = (Observation.OUTPUT, Observation.GRAD_WEIGHT)
    yield Variant(BACKWARD, "stage", _with(inputs, upstream, observe=dense))
    rows = (Observation.OUTPUT, Observation.SPARSE_GRAD_VALUES)
    yield Variant(SPARSE, "stage", _with(inputs, upstream, {"sparse": True}, observe=rows))
    step = (Observation.OUTPUT, Observation.TRAINED_WEIGHT)
    for name, options, before in (
        ("dense step of SGD", {}, BACKWARD),
        ("sparse step of SGD", {"sparse": True}, SPARSE),
    ):
        own = {**upstream, "weight": weight.copy()}
        # A step changes the table in place, so the other variants must not share it.
        trained = replace(_with(inputs, own, options, observe=step), shared={})
        yield Variant(name, "stage", trained, before, note="with forward and backward")


def _with(
    inputs: Inputs,
    arrays: Arrays | None = None,
    options: Mapping[str, Any] | None = None,
    observe: tuple[str, ...] = (),
) -> Inputs:
    """Return inputs with other arrays of the trace, and options added to the call's."""
    bare = replace(
        inputs.bare,
        options={**inputs.bare.options, **(options or {})},
        observe=observe or inputs.bare.observe,
    )
    trace = {**inputs.traces[0], **(arrays or {})}
    return replace(inputs, bare=bare, traces=(trace,))
