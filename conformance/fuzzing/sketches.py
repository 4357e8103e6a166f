"""Hypothesis strategies for large calls, and for short sequences of calls that resemble each other.

A sketch is long on one axis, sometimes on a second one, and short on the others, so that a call
takes a few milliseconds. Calls that the documentation leaves open are not generated: gradients of a
maximum whose bags have equal rows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from embcheck.conformance.contract.call import Observation, Operation
from embcheck.conformance.contract.options import OPTIONS, options_of, read_option
from embcheck.conformance.fuzzing.calls import without_conflicts
from embcheck.conformance.fuzzing.layouts import layouts_for
from embcheck.conformance.fuzzing.sizes import LADDER, VAST
from embcheck.conformance.fuzzing.sketch import FIRST, LAST, NEGATIVE, Sketch

OPERATIONS = (
    Operation.EMBEDDING,
    Operation.EMBEDDING_BAG,
    Operation.EMBEDDING,
    Operation.EMBEDDING_BAG,
    Operation.ONE_HOT,
    Operation.EMBEDDING_FROM_PRETRAINED,
    Operation.EMBEDDING_BAG_FROM_PRETRAINED,
)
"""Operations with a table that a spec can write; modules that draw their own call the same code."""

MOST_ELEMENTS = 150_000
MOST_SHORTENED = 2_050
"""The most rows or indices with `max_norm`, because the reference shortens row by row."""
MOST_MAXIMA = 300
"""The most bags, and entries of a bag, with gradients of maxima: the reference goes bag by bag."""
_SMALL = (1, 2, 3, 5, 9)
_MEDIUM = tuple(size for size in LADDER if size < 300)
_VAST_ONCE_IN = 150
VASTEST = Sketch(Operation.EMBEDDING, rows=VAST, positions=3, dtype="float16", shift=2)
"""A lookup of the last rows of a table, whose numbers float32 cannot represent."""
_ELSEWHERE = ("mode", "padding_idx", "include_last_offset")
"""Options that are drawn with the bags, with the padding and with the form."""
_MOST_VALUES = 2
_DTYPES = ("float32", "float32", "float16", "bfloat16", "float64")


def sketches(
    operations: Collection[Operation], observe: Collection[str]
) -> st.SearchStrategy[Sketch]:
    """Return a strategy for large calls of these operations and observations."""
    possible = tuple(name for name in OPERATIONS if name in operations)
    return _sketch(possible, frozenset(observe), large=True) if possible else st.nothing()


def sequences(
    operations: Collection[Operation], observe: Collection[str]
) -> st.SearchStrategy[tuple[Sketch, ...]]:
    """Return a strategy for two or three small calls, in which later ones vary the first."""
    possible = tuple(name for name in OPERATIONS if name in operations)
    if not possible:
        return st.nothing()
    return _sketch(possible, frozenset(observe), large=False).flatmap(_followed)


@st.composite
def _sketch(
    draw: st.DrawFn, operations: Sequence[Operation], observe: Collection[str], *, large: bool
) -> Sketch:
    def pick(values: Sequence[Any]) -> Any:
        return draw(st.sampled_from(values))

    operation = pick(operations)
    if large and Operation.EMBEDDING in operations and pick((False,) * _VAST_ONCE_IN + (True,)):
        return VASTEST
    plain = Sketch(operation, dtype=pick(_DTYPES), index_dtype=pick(("int64", "int64", "int32")))
    sizes = {axis: pick(_SMALL) for axis in plain.axes}
    if large:
        # Two axes that are long at once would be over the limit for most thresholds.
        sizes[pick(plain.axes)] = pick(LADDER)
        if pick((False, False, False, True)):
            sizes[pick(plain.axes)] = pick(_MEDIUM)
    sketch = plain.resized(**_bounded(plain, sizes))
    if operation is Operation.ONE_HOT:
        # one_hot is documented for int64 alone.
        indices = replace(sketch, index_dtype="int64", step=pick((1, 0, 7)))
        return _spoiled_or_laid(draw, indices)
    sketch = replace(sketch, step=pick((1, 1, 0, 7)), each=pick((1, 1, 1, 2, 33)))
    sketch = replace(sketch, values=pick(("digits", "digits", "normal")))
    if operation.is_bag:
        sketch = replace(sketch, form=pick(("offsets", "matrix", "last")))
    sketch = _with_options(draw, sketch)
    return _spoiled_or_laid(draw, _looked_at(draw, sketch, observe))


def _bounded(sketch: Sketch, sizes: dict[str, int]) -> dict[str, int]:
    """Shorten the shorter axes until no array is too large."""
    while sketch.resized(**sizes).elements > MOST_ELEMENTS:
        # The longest axis was drawn for a threshold, and keeps it as long as another can give way.
        longest = max(sizes.values())
        others = [axis for axis, size in sizes.items() if 1 < size < longest]
        axis = max(others or sizes, key=lambda name: sizes[name])
        sizes[axis] = max(1, sizes[axis] // 2)
    return sizes


def _with_options(draw: st.DrawFn, sketch: Sketch) -> Sketch:
    optional: dict[str, Any] = {
        "padding": st.sampled_from((LAST, FIRST, NEGATIVE)),
        **{
            option.name: st.sampled_from(option.others[:_MOST_VALUES])
            for option in options_of(sketch.operation)
            if option.others and option.name not in _ELSEWHERE and option.beside is None
        },
    }
    keys = draw(st.lists(st.sampled_from(sorted(optional)), unique=True, max_size=3))
    options = {key: draw(optional[key]) for key in sorted(keys)}
    padding = options.pop("padding", "")
    weighted = False
    if sketch.operation.is_bag:
        options["mode"] = draw(st.sampled_from((*OPTIONS["mode"].values, "sum")))
        weighted = options["mode"] == "sum" and draw(st.booleans())
    sketch = replace(sketch, options=without_conflicts(options), padding=padding, weighted=weighted)
    return _shortened(sketch) if "max_norm" in options else sketch


def _shortened(sketch: Sketch) -> Sketch:
    """Name no more rows than the reference shortens in a few milliseconds."""
    if sketch.index_count <= MOST_SHORTENED:
        return sketch
    return replace(sketch, rows=min(sketch.rows, MOST_SHORTENED))


def _looked_at(draw: st.DrawFn, sketch: Sketch, askable: Collection[str]) -> Sketch:
    """Draw a group of observations that the call can answer, and an upstream gradient."""
    options = sketch.options
    entries = {Observation.SPARSE_GRAD_ROWS, Observation.SPARSE_GRAD_VALUES}
    groups: list[set[Observation]] = [set(), {Observation.WEIGHT_AFTER}]
    frozen = sketch.operation.is_pretrained and read_option(options, "freeze")
    if not frozen and not _may_tie(sketch):
        groups += [{Observation.GRAD_WEIGHT}] * 4
        groups += [{Observation.TRAINED_WEIGHT}]
        groups += [entries] * 2 if read_option(options, "sparse") else []
    if sketch.weighted:
        groups += [{Observation.GRAD_PER_SAMPLE_WEIGHTS}] * 2
    chosen = draw(st.sampled_from([group for group in groups if group <= set(askable)]))
    upstream = draw(st.sampled_from(("", "digits", "full"))) if len(chosen) else ""
    # Without a gradient, nothing reads an upstream one.
    is_effect = chosen == {Observation.WEIGHT_AFTER}
    observe = tuple(map(str, sorted(chosen)))
    return replace(sketch, observe=observe, upstream="" if is_effect else upstream)


def _may_tie(sketch: Sketch) -> bool:
    """Whether a bag's maximum may occur in it twice, or be too slow to differentiate."""
    if read_option(sketch.options, "mode") != "max":
        return False
    is_dear = sketch.bags > MOST_MAXIMA or "max_norm" in sketch.options
    is_distinct = sketch.step == sketch.each == 1 and sketch.rows >= sketch.entries
    # Normal numbers hardly repeat in single and double precision; half precision has too few.
    is_fine = sketch.values == "normal" and sketch.dtype in ("float32", "float64")
    return is_dear or not (is_distinct and is_fine and sketch.entries <= MOST_MAXIMA)


def _spoiled_or_laid(draw: st.DrawFn, sketch: Sketch) -> Sketch:
    """Give every tenth call a bad index, and every fourth of the others an unusual layout."""
    if draw(st.sampled_from((False,) * 9 + (True,))) and sketch.form != "matrix":
        return replace(sketch, bad=draw(st.sampled_from((0, 1, 1000, 2**24, -1, -1000))))
    if not draw(st.sampled_from((False, False, False, True))):
        return sketch
    name = draw(st.sampled_from(sorted(sketch.inputs())))
    layouts = layouts_for(name, sketch.options, sketch.observe)
    # All other arrays have unequal rows, which a stride of 0 cannot hold.
    if not (name == "grad_output" and sketch.upstream == "full"):
        layouts = tuple(layout for layout in layouts if layout != "expanded")
    return replace(sketch, layouts={name: draw(st.sampled_from(layouts))})


def _followed(first: Sketch) -> st.SearchStrategy[tuple[Sketch, ...]]:
    """Return a strategy for sequences in which later calls differ in at most one thing."""
    after = st.sampled_from([first, *_variants(first)])
    two = after.map(lambda second: (first, second))
    # The first again: it may be answered from what the first time left behind.
    back = two.map(lambda calls: (*calls, first))
    third = two.flatmap(lambda calls: after.map(lambda last: (*calls, last)))
    return st.one_of(two, back, third)


def _variants(sketch: Sketch) -> list[Sketch]:
    """List calls that differ from a sketch in its indices, a size, its numbers or observations."""
    longer = [sketch.resized(**{axis: getattr(sketch, axis) + 1}) for axis in sketch.axes]
    shorter = [
        sketch.resized(**{axis: getattr(sketch, axis) - 1})
        for axis in sketch.axes
        if getattr(sketch, axis) > 1
    ]
    others = [
        replace(sketch, shift=1),
        replace(sketch, step=sketch.step + 1),
        replace(sketch, values="normal" if sketch.values == "digits" else "digits"),
        replace(sketch, observe=(), upstream=""),
        replace(sketch, index_dtype="int32"),
    ]
    # one_hot has no table and one index dtype: only its indices can differ.
    if sketch.operation is Operation.ONE_HOT:
        others = others[:2]
    return [
        other for other in (*others, *longer, *shorter) if not _may_tie(other) or not other.observe
    ]
