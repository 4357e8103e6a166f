"""A user's own call on backends and recipes: their answers and times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from embcheck.conformance.contract.call import Call
from embcheck.reports.answers.own_needs import FEW_BAGS, NARROW, SHORT
from embcheck.reports.migration.errors import Distance
from embcheck.reports.units import plural


@dataclass(frozen=True)
class OwnAnswer:
    """A backend's answer to the call, with a table of one dtype.

    `outcome` and `kind` are words of the suite, `said` is the judge's message. `form` is the dtype
    and shape of the answer. `error` is its distance from the right answer in double precision,
    `apart` that from the old backend's answer.
    """

    backend: str
    dtype: str
    outcome: str
    kind: str | None = None
    said: str = ""
    form: str = ""
    error: Distance | None = None
    apart: Distance | None = None

    @property
    def is_right(self) -> bool:
        """Whether the answer is as documented, within its error bound."""
        return self.outcome == "passed"

    @property
    def is_missing(self) -> bool:
        """Whether the backend cannot run here."""
        return self.outcome == "not-run"

    @property
    def word(self) -> str:
        """The answer in a word or two."""
        return _KINDS.get(self.kind or "", _OUTCOMES.get(self.outcome, self.outcome))


_OUTCOMES: Mapping[str, str] = {
    "passed": "right",
    "observed": "not judged",
    "crashed": "dies",
    "timed-out": "hangs",
    "unsupported": "not offered",
    "errored": "adapter at fault",
    "not-run": "not installed",
}
_KINDS: Mapping[str, str] = {
    "rejected-valid": "refused",
    "wrong-value": "wrong values",
    "wrong-shape": "wrong shape",
    "wrong-dtype": "wrong dtype",
    "wrong-effect": "changes inputs",
}


@dataclass(frozen=True)
class OwnPrice:
    """The time of the call on a backend, and its ratio to that on `baseline`, with an interval.

    `seconds` is the time of one call. It and the ratio are None if the call was not timed; `said`
    explains why.
    """

    backend: str
    dtype: str
    baseline: str
    seconds: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: str = "NOT TIMED"
    said: str = ""


@dataclass(frozen=True)
class OwnCall:
    """A user's own call, with the answers and times of backends and of recipes for them.

    `says` describes the call. `features` are those that it needs, `guards` those that turn mistakes
    in it into errors. `recipes` maps a backend to the backend that is a recipe for its library;
    `printed` maps that one to its name for `embcheck recipe`. `beside` compares recipes with the
    backends that they replace.
    """

    says: str
    dtypes: tuple[str, ...]
    features: tuple[str, ...]
    guards: tuple[str, ...]
    answers: tuple[OwnAnswer, ...]
    prices: tuple[OwnPrice, ...] = ()
    beside: tuple[OwnPrice, ...] = ()
    recipes: Mapping[str, str] | None = None
    printed: Mapping[str, str] | None = None
    notes: tuple[str, ...] = ()

    def answer(self, backend: str, dtype: str) -> OwnAnswer | None:
        """Return a backend's answer with a table of a dtype; None if there is none."""
        found = (one for one in self.answers if (one.backend, one.dtype) == (backend, dtype))
        return next(found, None)


def described(call: Call) -> str:
    """Say on one line what a call is."""
    indices, table = call.inputs["indices"], call.inputs["weight"]
    parts = [f"{plural(indices.size, 'index', 'indices')} of {indices.dtype}"]
    if call.operation.is_bag:
        bags = len(call.inputs.get("offsets", indices))
        how = "by offsets" if "offsets" in call.inputs else "by rows"
        parts.append(f"in {plural(bags, 'bag')} {how}")
    parts.append(f"of a table of {table.shape[0]:,} x {table.shape[1]:,}")
    options = "".join(f", {name}={value}" for name, value in call.options.items())
    weights = ", per_sample_weights" if "per_sample_weights" in call.inputs else ""
    return f"{call.operation}: {' '.join(parts)}{options}{weights}"


def features_of(call: Call) -> tuple[str, ...]:
    """Return the features that a call needs."""
    return tuple(dict.fromkeys([*_own(call), *_sizes(call)]))


def guards_of(call: Call) -> tuple[str, ...]:
    """Return the features that turn mistakes in such a call into errors."""
    if not call.operation.is_bag:
        guards = ["lookup.bounds", "lookup.negative", "lookup.bounds.huge"]
        return (*guards, *(["lookup.bounds.options"] if _has_padding(call) else []))
    guards = ["bag.bounds"]
    if _has_padding(call) or "per_sample_weights" in call.inputs:
        guards.append("bag.bounds.options")
    return (*guards, *(["bag.offset-bounds"] if "offsets" in call.inputs else []))


def _own(call: Call) -> Iterator[str]:
    indices = call.inputs["indices"]
    if not call.operation.is_bag:
        yield from ("lookup", f"lookup.{indices.dtype}", "lookup.dtypes", "lookup.repeatable")
        if _has_padding(call):
            yield "padding.output"
        return
    # PyTorch's default.
    yield f"bag.{call.option('mode') or 'mean'}"
    yield from ("bag.shape", "bag.dtypes", "bag.repeatable")
    yield "bag.offsets" if "offsets" in call.inputs else "bag.two-dimensional"
    if indices.dtype == np.int32:
        yield "bag.int32"
    if _has_padding(call):
        yield "bag.padding"
    if "per_sample_weights" in call.inputs:
        yield "bag.weights"
        # A backend may have each of these, but not weights together with one of the others.
        if _has_padding(call) or _has_empty(call):
            yield "bag.weights.combined"
    if _has_empty(call):
        yield "bag.empty"


def _sizes(call: Call) -> Iterator[str]:
    table, indices = call.inputs["weight"], call.inputs["indices"]
    bags = len(call.inputs.get("offsets", indices)) if call.operation.is_bag else 0
    sizes = {
        "sizes.rows-beyond-16-bits": len(table) > SHORT,
        "sizes.wide-rows": table.shape[1] > NARROW,
        "sizes.many-indices": indices.size > SHORT,
        "sizes.many-bags": bags > FEW_BAGS,
    }
    yield from (name for name, is_met in sizes.items() if is_met)


def _has_padding(call: Call) -> bool:
    return call.option("padding_idx") is not None


def _has_empty(call: Call) -> bool:
    if "offsets" not in call.inputs:
        return bool(call.inputs["indices"].shape[1] == 0)
    # The last bag ends where the indices do.
    ends = np.append(call.inputs["offsets"], call.inputs["indices"].size)
    return bool((np.diff(ends) == 0).any())
