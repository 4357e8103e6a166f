"""The least change of a user's needs that unblocks a backend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

from embcheck.reports.answers.advice import Advice
from embcheck.reports.answers.concern import Concern, Needs
from embcheck.reports.answers.letters import (
    DTYPES,
    INDEX_DTYPES,
    INDICES,
    PASSED,
    TABLES,
    UNDECIDED,
    unpacked,
)
from embcheck.reports.compat import Compat

MOST = 2
"""The most steps that are tried together; if more are needed, all blockers are given up."""


@dataclass(frozen=True)
class NeedChange:
    """One change of the needs; `kind` is `spell`, `indices`, `tables` or `give-up`.

    `what` is a dtype, or the feature to give up, or to `spell` as `by` says.
    """

    kind: str
    what: str
    by: str = ""


class Changes:
    """A search for the fewest steps after which nothing blocks a backend."""

    def __init__(self, data: Compat, needs: Needs) -> None:
        self._data = data
        self._needs = needs
        self._own = Concern(data, needs)
        # All backends try the same steps: a `Concern` is built once for each set of needs.
        self._concern = lru_cache(maxsize=4096)(lambda changed: Concern(data, changed))

    def least(self, advice: Advice) -> tuple[NeedChange, ...]:
        """Return the steps that unblock a backend; none if no need would be left."""
        steps = [*self._steps(advice)]
        for count in range(1, min(MOST, len(advice.blockers)) + 1):
            for chosen in combinations(steps, count):
                if self._unblocks(advice.backend, chosen):
                    return chosen
        every = [NeedChange("give-up", remark.feature) for remark in advice.blockers]
        return tuple(every) if self._unblocks(advice.backend, every) else ()

    def _steps(self, advice: Advice) -> Iterator[NeedChange]:
        """Yield the steps to try, the cheapest first."""
        needs = self._needs
        yield from (
            NeedChange("spell", remark.feature, remark.by)
            for remark in advice.blockers
            if remark.by
        )
        # Converting indices changes no value. Another dtype of tables changes all of them, so it
        # comes last, even after giving up a feature.
        yield from (
            NeedChange("indices", name) for name in INDEX_DTYPES if needs.indices != (name,)
        )
        yield from (NeedChange("give-up", remark.feature) for remark in advice.blockers)
        yield from (NeedChange("tables", name) for name in DTYPES if needs.dtype != name)

    def _unblocks(self, backend: str, steps: Sequence[NeedChange]) -> bool:
        needs = self._changed(steps)
        gone = {step.what for step in steps if step.kind in ("give-up", "spell")}
        left = [name for name in needs.features if name not in gone]
        dtypes = [step for step in steps if step.kind in ("indices", "tables")]
        concern = self._concern(needs)
        return bool(needs.features) and not any(
            concern.is_blocked(backend, name) or not self._is_shown(backend, name, dtypes)
            for name in left
        )

    def _changed(self, steps: Sequence[NeedChange]) -> Needs:
        needs = self._needs
        gone = {step.what for step in steps if step.kind == "give-up"}
        for step in steps:
            if step.kind == "indices":
                needs = replace(needs, indices=(step.what,))
                # Features about the other index dtype, as `lookup.int64`, are not needed any
                # longer.
                gone |= {
                    feature
                    for word in INDICES
                    if word != f"{step.what} indices"
                    for feature in self._data.uses.get(word, ())
                }
            elif step.kind == "tables":
                needs = replace(needs, dtype=step.what)
        return replace(needs, features=tuple(name for name in needs.features if name not in gone))

    def _is_shown(self, backend: str, feature: str, dtypes: Sequence[NeedChange]) -> bool:
        """Whether a blocked feature is known to pass with other dtypes, in otherwise equal calls.

        Dtypes without such calls are not advised.
        """
        if not dtypes or not self._own.is_blocked(backend, feature):
            return True
        contexts = self._data.contexts.get(feature, ())
        letters = unpacked(self._data.supports(backend, feature).contexts)
        told = dict(zip(contexts, letters, strict=False))
        for place in self._own.places(feature) if told else ():
            words = contexts[place]
            # A context that passes already needs no proof.
            if told[words] in (PASSED, UNDECIDED):
                continue
            for step in dtypes:
                kinds = INDICES if step.kind == "indices" else TABLES
                words = (words - frozenset(kinds)) | {f"{step.what} {step.kind}"}
            if told.get(words) != PASSED:
                return False
        return bool(told)
