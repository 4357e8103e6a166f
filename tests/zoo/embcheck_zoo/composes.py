"""Backends that compose bags of a right lookup, most of them with a mistake of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import (
    Capability,
    Provided,
    Provision,
    Unsupported,
    inputs_after,
)
from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck_zoo.base import Correct

SEEN = {Observation.OUTPUT, Observation.INPUTS_AFTER, Observation.WEIGHT_AFTER}


class ComposesRightly(Correct):
    """Looks rows up, and reduces them by the number of the bag that each is in."""

    def __init__(self) -> None:
        super().__init__()
        operations = {
            Operation.EMBEDDING: Provided(Provision.NATIVE, "lookup"),
            Operation.EMBEDDING_BAG: Provided(Provision.COMPOSED, "segments of a lookup"),
        }
        capabilities = frozenset({Capability.PER_SAMPLE_WEIGHTS})
        self.info = replace(self.info, operations=operations, capabilities=capabilities)

    def prepare(self, call: Call) -> Any:
        if not set(call.observe) <= SEEN or call.operation not in self.info.operations:
            raise Unsupported("no gradients")
        return super().prepare(call)

    def answer(self, call: Call) -> Any:
        if call.operation is Operation.EMBEDDING:
            return self.correct(call)
        indices, options = call.inputs["indices"], {}
        lookup = replace(call, operation=Operation.EMBEDDING, options=options)
        lookup = replace(lookup, inputs={n: call.inputs[n] for n in ("weight", "indices")})
        rows = self.correct(lookup)["output"].reshape(indices.size, -1)
        if "per_sample_weights" in call.inputs:
            rows = rows * call.inputs["per_sample_weights"].reshape(-1, 1)
        if "offsets" in call.inputs:
            starts = call.inputs["offsets"]
        else:
            starts = np.arange(len(indices)) * indices.shape[1]
        sizes = np.diff(starts, append=indices.size)
        output = self.reduce(rows, self.segments(sizes), len(sizes), call.option("mode"))
        return {"output": output.astype(rows.dtype), **inputs_after(call.inputs)}

    def segments(self, sizes: np.ndarray) -> np.ndarray:
        """Return the number of the bag that each row is in."""
        return np.repeat(np.arange(len(sizes)), sizes)

    def reduce(self, rows: np.ndarray, segments: np.ndarray, bags: int, mode: str) -> np.ndarray:
        """Reduce rows to bags."""
        counts = np.bincount(segments, minlength=bags).reshape(-1, 1)
        if mode == "max":
            found = np.full((bags, rows.shape[1]), self.least, np.float64)
            np.maximum.at(found, segments, rows)
            return np.where(counts, found, 0)
        found = np.zeros((bags, rows.shape[1]))
        np.add.at(found, segments, rows)
        return found / self.divisor(counts) if mode == "mean" else found

    least = -np.inf

    def divisor(self, counts: np.ndarray) -> np.ndarray:
        """Return what a sum is divided by for a mean."""
        return np.maximum(counts, 1)


class AddsUpMeans(ComposesRightly):
    """Takes the sum for the mean."""

    def divisor(self, counts: np.ndarray) -> np.ndarray:
        return np.ones_like(counts)


class DividesByTheMean(ComposesRightly):
    """Divides each bag by the mean size of a bag."""

    def divisor(self, counts: np.ndarray) -> np.ndarray:
        return np.full(counts.shape, counts.mean())


class SkipsEmptyBags(ComposesRightly):
    """Numbers bags without those that are empty."""

    def segments(self, sizes: np.ndarray) -> np.ndarray:
        return np.repeat(np.arange((sizes > 0).sum()), sizes[sizes > 0])


class StartsAtZero(ComposesRightly):
    """Begins a maximum at zero."""

    least = 0.0


class EmptyIsInfinite(ComposesRightly):
    """Leaves -inf in an empty maximum, as segment functions document."""

    def reduce(self, rows: np.ndarray, segments: np.ndarray, bags: int, mode: str) -> np.ndarray:
        found = super().reduce(rows, segments, bags, mode)
        if mode == "max":
            found[np.bincount(segments, minlength=bags) == 0] = -np.inf
        return found
