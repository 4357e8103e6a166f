"""The search for the smallest sketch that still departs: plainer, and then with smaller sizes.

Sizes are found by bisection. The size found departs, and one less does not, unless the departure
comes and goes with the size. A size remains in the finding only if the departure needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from embcheck.conformance.fuzzing.duel import Duel, DuelResult
from embcheck.conformance.fuzzing.signature import Signature
from embcheck.conformance.fuzzing.sizes import LADDER, USUAL
from embcheck.conformance.fuzzing.sketch import Sketch

_ORDER = ("columns", "bags", "entries", "positions", "rows")
"""The order in which sizes are made smaller."""


def fitted(duel: Duel, exchange: DuelResult, cost: int) -> tuple[DuelResult, Signature]:
    """Return the smallest exchange found with the same departure, and its signature."""
    # Until neither step changes anything: a shorter call may no longer need an option to depart.
    fitting = _Fitting(duel, exchange, duel.cost + cost)
    before = None
    while before != fitting.sketch:
        before = fitting.sketch
        fitting.make_plain()
        fitting.make_short()
    fitting.try_ladder()
    return fitting.exchange, fitting.needed()


class _Fitting:
    """The smallest sketch so far, and its result."""

    def __init__(self, duel: Duel, exchange: DuelResult, limit: int) -> None:
        self.exchange = exchange
        self._duel = duel
        self._limit = limit

    @property
    def sketch(self) -> Sketch:
        """The smallest sketch so far."""
        assert isinstance(self.exchange.question, Sketch)  # noqa: S101  (made for no others)
        return self.exchange.question

    def make_plain(self) -> None:
        """Take each plainer sketch that departs in the same way."""
        progress = True
        while progress:
            progress = any(self._take(sketch) for sketch in _plainer(self.sketch))

    def make_short(self) -> None:
        """Make each axis as short as it can be."""
        for axis in _ORDER:
            if axis in self.sketch.axes:
                self._bisect(axis)

    def try_ladder(self) -> None:
        """Try smaller thresholds of the longest axis: a departure may come and go with the size."""
        axis = max(self.sketch.axes, key=lambda name: int(getattr(self.sketch, name)))
        # Ascending, so that the size before the first one that departs does not depart.
        below = 1
        for size in (*range(USUAL, LADDER[0]), *LADDER):
            if size >= getattr(self.sketch, axis):
                return
            if self._take(self.sketch.resized(**{axis: size})):
                self._narrow(axis, below)
                return
            below = size

    def _bisect(self, axis: str) -> None:
        """Find the smallest size of an axis that departs."""
        # If even a size of 1 departs, it is taken, and there is nothing to narrow.
        if getattr(self.sketch, axis) > 1 and not self._take(self.sketch.resized(**{axis: 1})):
            self._narrow(axis, 1)

    def _narrow(self, axis: str, low: int) -> None:
        high = getattr(self.sketch, axis)
        while high - low > 1:
            middle = (low + high) // 2
            if self._take(self.sketch.resized(**{axis: middle})):
                high = middle
            else:
                low = middle

    def _take(self, sketch: Sketch) -> bool:
        """Continue with a sketch if it departs in the same way; return whether it does."""
        found = self._departing(sketch)
        if found is None or not found.signature.is_like(self.exchange.signature):
            return False
        self.exchange = found
        return True

    def _departing(self, sketch: Sketch) -> DuelResult | None:
        if self._duel.cost > self._limit:
            return None
        answered = self._duel.ask(sketch)
        return None if answered.divergence is None else answered

    def needed(self) -> Signature:
        """Return the signature with only those sizes that the departure needs."""
        signature, sketch = self.exchange.signature, self.sketch
        axes = set(signature.traits.axes)
        count = sketch.index_count
        # With as many rows as indices, no row repeats. If that departs, repeats are not needed.
        if "repeats" in axes and self._as_well(replace(sketch, rows=count, step=1, each=1)):
            axes -= {"repeats", "rows"}
        if "repeats" in axes:
            # Many repeats need many positions or entries, which are not causes by themselves.
            axes -= {"positions", "entries", "bags"}
        if sketch.operation.is_bag and axes & {"bags", "entries"}:
            # If few long bags and many short ones both depart, the number of indices is the cause.
            swapped = replace(sketch, bags=sketch.entries, entries=sketch.bags)
            if self._as_well(swapped):
                axes -= {"bags", "entries"}
                traits = signature.traits.sized(*axes)
                sizes = traits.sizes | {("positions", count)}
                return replace(signature, traits=replace(traits, sizes=sizes))
        return replace(signature, traits=signature.traits.sized(*axes))

    def _as_well(self, sketch: Sketch) -> bool:
        found = self._departing(sketch)
        if found is None:
            return False
        ours, theirs = self.exchange.signature, found.signature
        return (ours.kind, ours.observation) == (theirs.kind, theirs.observation)


def _plainer(sketch: Sketch) -> Iterator[Sketch]:
    """Yield sketches that are plainer in one thing."""
    candidates = [
        replace(sketch, operation=sketch.operation.function, options=_without(sketch, "freeze")),
        replace(sketch, observe=()),
        *(replace(sketch, observe=(name,)) for name in sketch.observe if len(sketch.observe) > 1),
        *(replace(sketch, options=_without(sketch, name)) for name in sketch.options),
        replace(sketch, padding=""),
        replace(sketch, padding="last") if sketch.padding else sketch,
        replace(sketch, weighted=False, observe=_unweighted(sketch)),
        replace(sketch, upstream=""),
        replace(sketch, upstream="full") if sketch.upstream else sketch,
        replace(sketch, layouts={}),
        replace(sketch, bad=0) if sketch.bad is not None and sketch.bad > 0 else sketch,
        replace(sketch, bad=-1) if sketch.bad is not None and sketch.bad < 0 else sketch,
        replace(sketch, dtype="float32"),
        replace(sketch, index_dtype="int64"),
        replace(sketch, values="digits"),
        replace(sketch, form="offsets"),
        replace(sketch, each=1),
        replace(sketch, step=1),
        replace(sketch, shift=0),
    ]
    yield from (other for other in candidates if other != sketch)


def _without(sketch: Sketch, name: str) -> dict[str, object]:
    return {key: value for key, value in sketch.options.items() if key != name}


def _unweighted(sketch: Sketch) -> tuple[str, ...]:
    return tuple(name for name in sketch.observe if name != "grad_per_sample_weights")
