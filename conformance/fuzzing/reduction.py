"""Steps that shrink a departing call in ways that Hypothesis cannot.

Hypothesis shrinks its draws; if one draw depends on another, or numbers come from a seed, it stops
early. The steps here know the meaning of a call: they leave out an option or an input, keep one bag
or one position, or simplify a table's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call, Observation, Operation, without
from embcheck.conformance.contract.options import TABLE_OPTIONS, taken_by
from embcheck.conformance.fuzzing.duel import Duel, DuelResult, fingerprint
from embcheck.conformance.fuzzing.layouts import laid_out
from embcheck.conformance.fuzzing.traits import layout_name, layouts_of

MAX_KEPT = 8
"""How many bags, and how many positions, are tried as the only one."""


def reduced(duel: Duel, exchange: DuelResult, cost: int) -> DuelResult:
    """Return the smallest exchange found with the same departure and no new traits.

    `cost` limits the search; see `Duel.cost`.
    """
    # After each step, start again from the first one, which may work now.
    limit = duel.cost + cost
    found: DuelResult | None = exchange
    while found is not None:
        exchange, found = found, _step(duel, found, limit)
    return exchange


def _step(duel: Duel, exchange: DuelResult, limit: int) -> DuelResult | None:
    """Return the first smaller exchange that departs in the same way; None if there is none."""
    for call in smaller(exchange.call):
        if duel.cost > limit:
            return None
        # A step that changes nothing would be taken again and again.
        if fingerprint(call) == fingerprint(exchange.call):
            continue
        answered = duel.ask(call)
        if answered.divergence is not None and answered.signature.is_like(exchange.signature):
            return answered
    return None


def smaller(call: Call) -> Iterator[Call]:
    """Yield calls that are smaller by one step, the largest steps first."""
    yield from _functions(call)
    yield from _fewer_observations(call)
    for name in call.options:
        if name not in TABLE_OPTIONS:
            yield without(call, name)
    for name in ("grad_output", "per_sample_weights"):
        yield without(call, name)
    if Observation.PRODUCT not in call.observe and call.operation is Operation.ONE_HOT:
        yield without(call, "weight")
    for name in layouts_of(call):
        yield replace(call, inputs={**call.inputs, name: np.array(call.inputs[name])})
    yield from _fewer_positions(call)
    yield from _smaller_tables(call)
    yield from _plain_dtypes(call)
    yield _plain_numbers(call)


def _functions(call: Call) -> Iterator[Call]:
    """Yield a call of the function that the module calls, if the operation is a module."""
    function = call.operation.function
    if function is call.operation:
        return
    inputs, options = dict(call.inputs), taken_by(function, call.options)
    if call.operation.is_fresh:
        shape = (call.options["num_embeddings"], call.options["embedding_dim"])
        # Rows so long that every finite max_norm that is generated shortens them.
        inputs["weight"] = 4 + _counted(shape, np.dtype(call.option("dtype")))
    unknown = (Observation.TRAINABLE, Observation.SHARES_MEMORY)
    observe = tuple(name for name in call.observe if name not in unknown)
    yield replace(call, operation=function, inputs=inputs, options=options, observe=observe)


def _fewer_observations(call: Call) -> Iterator[Call]:
    always = (Observation.OUTPUT, Observation.INPUTS_AFTER)
    others = [name for name in call.observe if name not in always]
    yield replace(call, observe=always)
    for name in others:
        yield replace(call, observe=(always[0], name, always[1]))


def _fewer_positions(call: Call) -> Iterator[Call]:
    """Yield calls with half of the bags or positions, with one of them, or without one."""
    indices, offsets = call.inputs["indices"], call.inputs.get("offsets")
    if indices.ndim > 1:
        yield from (_cut(call, row) for row in _slices(len(indices)))
        if not call.operation.is_bag:
            yield _with(call, indices=indices.reshape(-1), **_upstream(call, _flat))
        elif indices.ndim == 2:
            yield _by_offsets(call)
            yield from (_cut(call, (slice(None), one)) for one in _slices(indices.shape[1]))
    elif offsets is None or offsets.ndim != 1:
        yield from (_cut(call, one) for one in _slices(indices.size))
    elif indices.ndim == 1:
        yield from _fewer_in_bags(call, offsets)


def _by_offsets(call: Call) -> Call:
    """Give the bags of a matrix, which have equal length, by offsets."""
    indices = call.inputs["indices"]
    arrays = {"offsets": np.arange(len(indices), dtype=indices.dtype) * indices.shape[1]}
    for name in ("indices", "per_sample_weights"):
        if name in call.inputs:
            arrays[name] = call.inputs[name].reshape(-1)
    return _with(without(call, "include_last_offset"), **arrays)


def _fewer_in_bags(call: Call, offsets: np.ndarray) -> Iterator[Call]:
    size = call.inputs["indices"].size
    for bag in range(len(offsets)):
        upstream = _upstream(call, partial(np.delete, obj=bag, axis=0))
        yield _with(call, offsets=np.delete(offsets, bag), **upstream)
    for one in _slices(size):
        first, last, _ = one.indices(size)
        # Each offset moves back by what was cut off before it, those behind the end to the end.
        kept = offsets - np.clip(offsets, 0, first) - np.maximum(offsets - last, 0)
        yield _with(_cut(call, one), offsets=kept.astype(offsets.dtype))
    for place in range(min(size, MAX_KEPT)):
        kept = np.delete(np.arange(size), place)
        yield _with(_cut(call, kept), offsets=offsets - (offsets > place).astype(offsets.dtype))


def _slices(size: int) -> Iterator[slice]:
    """Yield the halves, and single places."""
    if size > 1:
        yield slice(0, size // 2)
        yield slice(size // 2, size)
        yield from (slice(place, place + 1) for place in range(min(size, MAX_KEPT)))


def _cut(call: Call, where: Any) -> Call:
    """Keep some of the indices, with their per-sample weights and upstream gradients."""
    # Per-sample weights of another shape are the call's mistake, and stay.
    indices, factors = call.inputs["indices"], call.inputs.get("per_sample_weights")
    arrays = {"indices": indices[where].copy()}
    if factors is not None and factors.shape == indices.shape:
        arrays["per_sample_weights"] = factors[where].copy()
    # Bags by offsets keep their number, so the upstream gradient keeps its rows.
    has_rows = not call.operation.is_bag or indices.ndim == 2
    if has_rows and not isinstance(where, tuple):
        arrays |= _upstream(call, lambda array: array[where])
    return _with(call, **arrays)


def _upstream(call: Call, change: Callable[[np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
    """Change the upstream gradient as the output's shape changes, if the call has one."""
    upstream = call.inputs.get("grad_output")
    return {} if upstream is None else {"grad_output": change(upstream).copy()}


def _flat(upstream: np.ndarray) -> np.ndarray:
    return upstream.reshape(-1, upstream.shape[-1])


def _smaller_tables(call: Call) -> Iterator[Call]:
    """Yield calls with one column, half of them, all but the last, or without the last row."""
    weight = call.inputs.get("weight")
    if weight is None or weight.ndim != 2:
        return
    for column in range(min(weight.shape[1], MAX_KEPT) if weight.shape[1] > 1 else 0):
        only = partial(np.take, indices=[column], axis=-1)
        yield _with(call, weight=only(weight), **_upstream(call, only))
    # One more than half: a departure may need columns from both halves, or an odd number of them.
    for width in dict.fromkeys((weight.shape[1] // 2 + 1, weight.shape[1] - 1)):
        if 1 < width < weight.shape[1]:
            first = partial(np.take, indices=range(width), axis=-1)
            yield _with(call, weight=first(weight), **_upstream(call, first))
    if len(weight) > 1:
        yield _with(call, weight=weight[:-1].copy())


def _plain_dtypes(call: Call) -> Iterator[Call]:
    """Yield the call with all floats in float32, and with all integers in int64."""
    for plain, kinds in ((np.float32, "fV"), (np.int64, "iu")):
        arrays = {name: array for name, array in call.inputs.items() if array.dtype.kind in kinds}
        with np.errstate(over="ignore"):
            yield _with(call, **{name: array.astype(plain) for name, array in arrays.items()})


def _plain_numbers(call: Call) -> Call:
    """Number the table's elements, and make all per-sample weights 1."""
    arrays = {}
    if "weight" in call.inputs:
        weight = call.inputs["weight"]
        arrays["weight"] = _counted(weight.shape, weight.dtype)
    if "per_sample_weights" in call.inputs:
        arrays["per_sample_weights"] = np.ones_like(call.inputs["per_sample_weights"])
    return _with(call, **arrays)


def _counted(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    return np.arange(1, int(np.prod(shape)) + 1).reshape(shape).astype(dtype)


def _with(call: Call, **arrays: np.ndarray) -> Call:
    """Return the call with other arrays, each in the layout of the one that it replaces."""
    laid = {name: _as_before(call, name, array) for name, array in arrays.items()}
    return replace(call, inputs={**call.inputs, **laid})


def _as_before(call: Call, name: str, array: np.ndarray) -> np.ndarray:
    layout = layout_name(call.inputs[name]) if name in call.inputs else "contiguous"
    # `expanded` would make unequal rows equal, and so change the numbers.
    if layout == "contiguous" or (layout == "expanded" and not _is_even(array)):
        return array
    return laid_out(np.asarray(array), layout)


def _is_even(array: np.ndarray) -> bool:
    """Whether all rows are equal."""
    return bool(array.ndim) and bool((array[1:] == array[:1]).all())
